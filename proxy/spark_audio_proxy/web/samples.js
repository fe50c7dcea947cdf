// A sentence to try a voice with, in its own language.

export const SAMPLES = {
  de: "Guten Abend. Die Waschmaschine ist fertig, und die Haustür ist abgeschlossen.",
  en: "Good evening. The washing machine has finished, and the front door is locked.",
  es: "Buenas tardes. La lavadora ha terminado y la puerta de entrada está cerrada.",
  fr: "Bonsoir. La machine à laver a terminé et la porte d’entrée est fermée à clé.",
  hi: "शुभ संध्या। वॉशिंग मशीन का काम पूरा हो गया है और सामने का दरवाज़ा बंद है।",
  it: "Buonasera. La lavatrice ha finito e la porta d’ingresso è chiusa.",
  ja: "こんばんは。洗濯が終わりました。玄関のドアは閉まっています。",
  vi: "Chào buổi tối. Máy giặt đã giặt xong và cửa trước đã khóa.",
  zh: "晚上好。洗衣机已经洗好了，前门也锁上了。",
};

// Returns the sample for a language tag, and English for one without.
export const sample = (tag) => SAMPLES[tag.split("-")[0]] ?? SAMPLES.en;

export const isSample = (text) => Object.values(SAMPLES).includes(text.trim());
