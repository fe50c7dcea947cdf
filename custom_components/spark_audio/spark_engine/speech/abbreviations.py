"""Words behind which a full stop does not end a sentence, in English, German, Spanish, French and Italian.

All languages at once: the language of a text is unknown, and answers mix them. A small first letter stands for a
capital one as well. What ends a sentence more often than not (etc., usw., ecc.) is left out on purpose.
"""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


NEVER_LAST = _words("""
    Mr Mrs Ms Mx Messrs Dr Rev Hon St Mt Capt Col Gen Gov Lt Sgt e.g eg i.e ie cf vs viz approx
    Hr Hrn Fr Frl Dipl Mag Nr Nrn Skt bzw bzgl bspw ca d.h d.i einschl evtl exkl ggf i.d.R inkl insb insbes
    m.E o.ä o.Ä s.o s.u sog u.a u.U v.a vgl z.B z.T z.Zt zzgl
    Sr Sra Sres Srta Dra Dres Dña Profa Lic Arq Gral Cnel Excmo Avda Sto Sta Fco EE aprox ej p.ej
    MM Mme Mmes Mlle Mlles Pr Mgr Ste av bd boul env ex p.ex
    sig sigg sig.ra sig.na dott dott.ssa prof prof.ssa ing avv geom arch cav mons egr p.es
""") | {"ad es", "per es", "p. es"}
"""Titles, and what makes no sense without the word behind it."""

BEFORE_NUMBERS = _words("""
    no nos nr num n° nº apt art ch chap ext fig op pp sec tel vol
    abb abs aufl bd kap max min mind str
    cap núm pág págs pag pagg tél
    jan feb mar apr jun jul aug sep sept oct nov dec okt dez ene abr ago dic janv févr avr juil déc genn febbr ott
""")
"""Abbreviations in front of digits only: otherwise each is a word, or may end a sentence."""

SELDOM_LAST = _words("""
    Inc Ltd Co Corp Bros Jr Jh Jhd Chr n.Chr v.Chr Mio Mrd Tsd Std max min Cía UU Ud Uds Cie
""")
"""Abbreviations that may end a sentence, and do in front of a word of SENTENCE_STARTERS."""

GOES_ON = _words("""
    etc Sen Rep Pres Cmdr Ave Dept Univ Est Mon Tue Tues Wed Thu Thur Thurs Fri Sat Sun incl excl misc orig resp
    usw usf geb gest verh ehem vorm nachm Abt Inh Tel Sek allg bes dgl entspr gem lt od wg jew urspr versch öff
    depto dpto izq dcha tfno teléf edif tél hab arr dép ecc rag spett gent
""")
"""Abbreviations that may stand anywhere. With a word behind them they need no care: a small first letter tells."""

SENTENCE_STARTERS = _words("""
    The This That These Those There It He She They We You I If In On At But And So Then When What Who Where Why How
    Do Does Did Is Are Will Would Can Could Should Please Now Also However After Before For From As My Your His Her
    Our Their Its Let Anything Have Yes
    Der Die Das Den Dem Ein Eine Einen Es Er Sie Ich Wir Ihr Du Und Oder Aber Dann Danach Doch Dort Hier Heute Wenn
    Weil Was Wer Wie Wo Soll Möchtest Kann Bitte Auch Außerdem Im Am Um Auf Mit Für Nach Vor Zu Bei Von Jetzt Nun Ja
    Nein Damit Dabei Dies Diese Dieser Dieses Man Mein Dein Insgesamt
    El La Los Las Un Una Son Está Yo Tú Usted Ella Y Pero Luego Después Hay En Con Para Por Ahora Hoy Mañana Esta
    Este Esto No Sí Su Mi Se Si
    Le Les Une Il Elle Ils Elles Je Tu Nous Vous Ce Cela Ça Et Mais Puis Ensuite Dans À Au Pour Que Qui Quand Où
    Voulez Veux Oui Non
    Lo Gli Uno È Sono Io Lei Noi Voi Loro E Ma Poi Nel Per Che Chi Come Dove Quando Ora Oggi Domani Questo Questa
""")
