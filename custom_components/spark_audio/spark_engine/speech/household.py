"""Words of a household that every recogniser knows: where one was heard, it was said.

"Bathroom" and "bedroom" sound alike, but a home without a bathroom light must not turn on the bedroom light.
"""

from collections.abc import Mapping

from .language import base_language

_WORDS = {
    "en": "attic balcony basement bathroom bedroom cellar corridor den dining entrance garage garden hall hallway"
    " kitchen laundry living office patio porch room stairs study bed bedside ceiling coffee desk floor led"
    " pool reading roof table wall terrace toilet upstairs downstairs front back left right top bottom blind"
    " blinds bulb cooker curtain curtains dishwasher door doors fan fridge gate heater heating lamp lamps"
    " light lights lock oven plug radiator radio shutter shutters socket speaker strip switch television"
    " thermostat tv vacuum window windows",
    "de": "arbeitszimmer bad badezimmer balkon büro dachboden diele esszimmer flur garage garten gästezimmer keller"
    " kinderzimmer küche schlafzimmer speisekammer terrasse toilette treppe waschküche wohnzimmer zimmer oben"
    " unten boden dach led nachttisch schreibtisch sofa tisch wand vorne hinten links rechts decke fenster"
    " fernseher heizung herd lampe lampen lautsprecher leuchte licht lichter lüfter ofen radio rollladen"
    " rollläden rollo schalter schloss spülmaschine steckdose tor tür ventilator vorhang waschmaschine",
    "es": "aseo balcón baño cocina comedor cuarto despacho dormitorio entrada escalera garaje habitación jardín"
    " lavadero oficina pasillo patio salón sótano terraza trastero arriba abajo cama escritorio led mesa"
    " mesilla navidad pared suelo techo tejado delante detrás izquierda derecha altavoz bombilla calefacción"
    " calefactor cerradura cortina cortinas enchufe foco horno interruptor lámpara lámparas lavadora luces luz"
    " nevera persiana persianas puerta radio televisión televisor termostato ventana ventilador",
    "fr": "balcon bureau cave chambre couloir cuisine entrée escalier garage grenier jardin salle salon sejour"
    " séjour terrasse toilettes chevet enfants led lit mur plafond sol table toit haut bas devant derrière"
    " gauche droite ampoule chauffage enceinte fenêtre four interrupteur lampe lampes lave lumière lumières"
    " plafonnier porte portail prise radiateur radio rideau rideaux serrure store stores télévision télé"
    " thermostat ventilateur volet volets",
    "it": "bagno balcone camera cantina corridoio cucina garage giardino ingresso lavanderia salotto scale scala"
    " soffitta soggiorno studio terrazza ufficio albero bambini led letto muro pavimento scrivania soffitto"
    " tavolo tetto sopra sotto davanti dietro sinistra destra altoparlante caldaia finestra forno interruttore"
    " lampada lampade lampadina lavatrice luce luci porta presa radio riscaldamento serratura tapparella"
    " tapparelle televisione televisore tenda tende termosifone termostato ventilatore",
}

_KNOWN: Mapping[str, frozenset[str]] = {language: frozenset(words.split()) for language, words in _WORDS.items()}


def is_household_word(word: str, language: str) -> bool:
    """Return whether this word, in small letters, is one; False in a language that has no list."""
    return word in _KNOWN.get(base_language(language), ())
