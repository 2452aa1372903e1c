/**
 * TinyWorld's stories: a small grammar that tells of a character who wants something, meets trouble, is helped
 * and learns from it. Slots hold what the story is about; every sentence has several wordings, so no two
 * stories are alike while all keep the same plain English.
 */
import { type Random, random } from "../../src/train/tasks/random";

const GIRLS =
  "Anna Clara Emma Grace Ida Julia Kate Laura Mary Nora Olive Polly Rose Sophie Tilda Vera Lucy Helen Martha Ruth Ellen Agnes Betty Dora Flora".split(
    " ",
  );
const BOYS =
  "Adam Ben Carl Daniel Edward Frank George Henry Jack Karl Leo Max Noah Oscar Paul Robert Sam Tom Victor Will Peter Hugh Arthur Felix Martin".split(
    " ",
  );
export const NAMES: readonly string[] = [...GIRLS, ...BOYS];

interface Character {
  /** How the story calls the character: "Anna", "the little fox". */
  name: string;
  he: string;
  him: string;
  his: string;
  /** How the story introduces it. */
  intro: string;
}

const ANIMALS =
  "fox bear hare mouse hedgehog squirrel owl frog duck goose cat dog goat pony badger mole otter sparrow crow tortoise lamb calf beaver robin".split(
    " ",
  );
const TRAITS =
  "little brave clever kind lazy shy merry proud patient curious hungry quiet cheerful careful old young gentle stubborn".split(
    " ",
  );
const JOBS =
  "baker miller fisherman farmer shepherd tailor carpenter gardener blacksmith weaver teacher sailor hunter potter".split(
    " ",
  );
const PLACES = [
  "a small village",
  "a house by the sea",
  "a cottage near the forest",
  "a town on a hill",
  "a farm by the river",
  "a valley between two mountains",
  "a hut at the edge of the wood",
  "a street full of shops",
  "an old mill",
  "a lighthouse",
  "a garden with high walls",
  "a harbour town",
];
const SPOTS = [
  "the forest",
  "the river",
  "the old bridge",
  "the market",
  "the hill",
  "the lake",
  "the orchard",
  "the barn",
  "the well",
  "the meadow",
  "the mill",
  "the beach",
  "the church",
  "the crossroads",
];
const THINGS = [
  "a red ball",
  "a silver key",
  "a wooden boat",
  "a warm coat",
  "a golden ring",
  "a blue kite",
  "a new hat",
  "a small drum",
  "a brass bell",
  "a clay pot",
  "a basket of eggs",
  "a pair of shoes",
  "a lantern",
  "a picture book",
  "a green scarf",
  "a music box",
  "a sharp knife",
  "a toy horse",
];
const FOODS = [
  "bread",
  "apples",
  "soup",
  "cheese",
  "honey",
  "berries",
  "nuts",
  "cake",
  "porridge",
  "pears",
  "fish",
  "milk",
  "carrots",
  "plums",
];
const WEATHERS = [
  "It was a bright morning in spring.",
  "It was a cold day in winter.",
  "The sun was shining.",
  "The wind blew hard.",
  "Snow lay on the ground.",
  "It had rained all night.",
  "It was a warm evening in summer.",
  "The leaves were falling.",
  "A thick fog hung over the fields.",
  "The moon was full.",
];
const LESSONS = [
  "From that day on {a} was never {bad} again.",
  "And {a} never forgot it.",
  "So {a} learned that a friend is worth more than gold.",
  "After that they were friends for the rest of their lives.",
  "And that is how {a} learned to be patient.",
  "Since then {a} has always shared with others.",
  "Everybody agreed that it had been a good day.",
  "{a} went home tired and happy.",
  "That night {a} slept soundly.",
  "And if nothing has changed, they are still happy today.",
  "It was only a small thing, but {a} was glad of it.",
  "From then on {a} always looked twice.",
];
const BAD = ["greedy", "rude", "careless", "lazy", "proud", "unkind", "afraid"];

/** One plot: a list of moments, each with several wordings. */
type Plot = readonly (readonly string[])[];

const PLOTS: readonly Plot[] = [
  [
    [
      "One day {a} lost {t}.",
      "One morning {a} could not find {t_the}.",
      "While {a} was walking to {s}, {a_he} lost {t}.",
    ],
    [
      "{A_he} looked everywhere, but it was gone.",
      "{A_he} searched the whole house.",
      "{A_he} looked under the bed and behind the door, but found nothing.",
      "{A_he} sat down and cried.",
    ],
    [
      "Then {b} came along and asked what was wrong.",
      "{b} saw that {a} was sad.",
      "On the way to {s2} {a_he} met {b}.",
      "{b} heard about it and wanted to help.",
    ],
    [
      '"I have lost {t_the}," said {a}.',
      "{a} told {b_him} everything.",
      '"We will look for it together," said {b}.',
    ],
    [
      "They went to {s} and looked in the grass.",
      "Together they walked to {s}.",
      "They asked everybody they met.",
      "They followed the path to {s} step by step.",
    ],
    [
      "At last {b} found it under a stone.",
      "And there it lay, beside {s}.",
      "In the end it was hanging on a branch.",
      "Suddenly {b} called out, for there it was.",
      "A bird had carried it to {s}.",
    ],
    [
      "{a} thanked {b} with all {a_his} heart.",
      "{a} was so glad that {a_he} danced.",
      '"Thank you," said {a}, "you are a true friend."',
      "{a} gave {b_him} some {f} as a reward.",
    ],
  ],
  [
    [
      "One day {a} had nothing left to eat but some {f}.",
      "{a} was carrying {f} home from {s}.",
      "One evening {a} sat down to eat {a_his} {f}.",
    ],
    [
      "Just then {b} knocked at the door.",
      "Then {b} came by, who was very hungry.",
      "On the road {a_he} saw {b}, cold and hungry.",
      "There was {b}, who had not eaten for two days.",
    ],
    [
      '"Please give me something," said {b}.',
      "{b} asked for a bite.",
      "{b} said nothing, but looked at the {f}.",
    ],
    [
      "At first {a} did not want to share.",
      "{a} thought about it for a moment.",
      "{a} was hungry too.",
      "There was hardly enough for one.",
    ],
    [
      "But {a} cut everything in two and gave away half.",
      "Then {a} felt sorry and gave {b_him} the bigger part.",
      '"Come in and sit down," said {a}.',
      "So they ate together by the fire.",
    ],
    [
      "Some time later {a} was in trouble near {s}.",
      "When winter came, {a} fell ill.",
      "A year went by, and {a} had bad luck.",
      "Soon after, {a} lost {a_his} way near {s2}.",
    ],
    [
      "Then {b} came and helped {a_him}.",
      "And who should come along but {b}.",
      "{b} had not forgotten, and brought {f2} and wood for the fire.",
      "{b} remembered the {f} and came to help.",
    ],
  ],
  [
    [
      "{a} wanted to build a house near {s}.",
      "{a} wished to make a boat.",
      "{a} decided to plant a garden beside {s}.",
      "{a} had long wanted to build a bridge.",
    ],
    [
      "{A_he} worked from morning to night.",
      "First {a_he} carried stones and wood.",
      "It was hard work, and {a_he} was alone.",
      "{A_he} began at once.",
    ],
    [
      "{b} laughed and said it would never be finished.",
      "{b} stood by and watched.",
      '"That is much too hard," said {b}.',
      "{b} thought it was foolish.",
    ],
    [
      "But {a} did not listen.",
      "{a} went on with {a_his} work.",
      "{a} only smiled.",
      '"A little every day is enough," said {a}.',
    ],
    [
      "Then a storm came and broke everything.",
      "One night the rain washed half of it away.",
      "After a week {a_he} was so tired that {a_he} could not go on.",
    ],
    [
      "When {b} saw this, {b_he} was ashamed and brought {b_his} tools.",
      "Now {b} felt sorry and came to help.",
      '"Two can do more than one," said {b}, and took up a hammer.',
    ],
    [
      "Together they finished it before winter.",
      "In three days the work was done.",
      "By the end of the summer everything was ready.",
      "When it was done they ate {f} and sang.",
    ],
  ],
  [
    [
      "{a} had never been to {s} before.",
      "One day {a} set out to see {s}.",
      "{a} wanted to know what lay behind {s}.",
      "{a}'s mother sent {a_him} to {s} with {t}.",
    ],
    [
      "The way was long and the sun was hot.",
      "{A_he} walked and walked.",
      "{A_he} sang to keep up {a_his} courage.",
      "{A_he} took some {f} along.",
    ],
    [
      "Near {s2} the path divided.",
      "Soon it grew dark.",
      "At {s2} {a_he} did not know which way to go.",
      "Suddenly there was a strange noise.",
    ],
    ["There sat {b} on a stone.", "Behind a tree stood {b}.", "{a} was frightened, but it was only {b}."],
    [
      '"Go left, and do not look back," said {b}.',
      '"I know the way," said {b}, "come with me."',
      "{b} showed {a_him} the path.",
      '"Follow the river," said {b}.',
    ],
    [
      "They walked together until the stars came out.",
      "{a} did as {a_he} was told.",
      "On the way {b} told a funny story.",
      "It was not far after all.",
    ],
    [
      "When they came to {s}, they found {t}.",
      "There {a} saw the most beautiful view in the world.",
      "At {s} everybody was waiting with {f}.",
      "And so {a} reached {s} before midnight.",
    ],
  ],
  [
    [
      "{a} and {b} both wanted {t}.",
      "{a} and {b} found {t} on the road.",
      "In a shop near {s} {a} and {b} saw {t}.",
    ],
    [
      '"It is mine," said {a}.',
      '"I saw it first," said {b}.',
      "Each of them pulled at it.",
      "They quarrelled the whole day.",
    ],
    [
      '"No, it belongs to me," said {b}.',
      "Neither would give way.",
      "Their voices were heard as far as {s2}.",
      "They would not speak to each other any more.",
    ],
    [
      "At last they went to the old {j}.",
      "The {j} came by and heard them.",
      "A wise {j} lived near {s}, and they asked him.",
    ],
    [
      '"Let the one who runs faster to {s} have it," he said.',
      '"Then I will keep it until you are friends again," he said.',
      '"Use it one day each," he said.',
      '"Cut it in two," he said, and they were frightened.',
    ],
    [
      '"Let {b} have it," said {a}.',
      "They looked at each other and began to laugh.",
      "Then {b} gave it to {a}.",
      "So each had it for one day, and that was better.",
    ],
  ],
  [
    [
      "{a} could not swim.",
      "{a} did not know how to read.",
      "{a} wanted to learn to play the fiddle.",
      "{a} was afraid of the dark.",
      "{a} had never baked a cake.",
    ],
    [
      "The others laughed at {a_him}.",
      "{A_he} was ashamed and told nobody.",
      "{A_he} tried it alone, but it went badly.",
      "Every time {a_he} tried, something went wrong.",
    ],
    [
      '{b} saw it and said, "I will teach you."',
      '"I could not do it either at first," said {b}.',
      "One day {b} sat down beside {a_him}.",
    ],
    [
      "Every day they met at {s}.",
      "They practised for an hour each morning.",
      "First it was hard, then it grew easier.",
      "{b} was very patient.",
    ],
    [
      "After a week {a} could do a little.",
      "By and by {a} was not afraid any more.",
      "Once {a} wanted to give up, but {b} would not let {a_him}.",
      "{a} made many mistakes and learned from each.",
    ],
    [
      "At last {a_he} could do it better than anybody.",
      "When the summer was over, {a} could do it alone.",
      "Then one day it was quite easy.",
      "Everybody in the village was surprised.",
    ],
    [
      '"I knew you could," said {b}.',
      "{a} was very proud.",
      "They ate {f} to celebrate.",
      "{a} gave {b} {t} to say thank you.",
    ],
  ],
];

function character(rng: Random): Character {
  const kind = rng.below(3);
  if (kind === 0) {
    const girl = rng.next() < 0.5;
    const name = rng.pick(girl ? GIRLS : BOYS);
    const trait = rng.pick(TRAITS);
    const article = /^[aeiou]/.test(trait) ? "an" : "a";
    const pronouns = girl ? { he: "she", him: "her", his: "her" } : { he: "he", him: "him", his: "his" };
    return { name, ...pronouns, intro: `${article} ${trait} ${girl ? "girl" : "boy"} named ${name}` };
  }
  const trait = rng.pick(TRAITS);
  const noun = kind === 1 ? rng.pick(ANIMALS) : rng.pick(JOBS);
  const article = /^[aeiou]/.test(trait) ? "an" : "a";
  return { name: `the ${noun}`, he: "he", him: "him", his: "his", intro: `${article} ${trait} ${noun}` };
}

/** "a red ball" becomes "the red ball"; "a pair of shoes" becomes "the pair of shoes". */
function definite(thing: string): string {
  return thing.replace(/^an? /, "the ");
}

/** One story of a single paragraph. */
export function story(rng: Random): string {
  const a = character(rng);
  let b = character(rng);
  while (b.name === a.name) b = character(rng);
  const thing = rng.pick(THINGS);
  const [spot, spot2] = rng.shuffle(SPOTS);
  const [food, food2] = rng.shuffle(FOODS);
  const slots: Record<string, string> = {
    a: a.name,
    a_he: a.he,
    A_he: a.he,
    a_him: a.him,
    a_his: a.his,
    b: b.name,
    b_he: b.he,
    b_him: b.him,
    b_his: b.his,
    t: thing,
    t_the: definite(thing),
    s: spot,
    s2: spot2,
    f: food,
    f2: food2,
    j: rng.pick(JOBS),
    bad: rng.pick(BAD),
  };
  const place = rng.pick(PLACES);
  const sentences = [
    rng.pick([
      `Once upon a time there was ${a.intro}.`,
      `Once there lived ${a.intro} in ${place}.`,
      `There was once ${a.intro} who lived in ${place}.`,
      `In ${place} there lived ${a.intro}.`,
      `Long ago ${a.intro} lived in ${place}.`,
    ]),
  ];
  if (rng.next() < 0.4) sentences.push(rng.pick(WEATHERS));
  for (const moment of rng.pick(PLOTS)) sentences.push(rng.pick(moment));
  if (rng.next() < 0.8) sentences.push(rng.pick(LESSONS));
  return sentences.map((sentence) => fill(sentence, slots)).join(" ");
}

function fill(sentence: string, slots: Record<string, string>): string {
  const text = sentence.replace(/\{(\w+)\}/g, (_, slot: string) => slots[slot]);
  return text.replace(/^"?[a-z]/, (start) => start.toUpperCase());
}

/** `count` stories, all different. */
export function storyDocuments(seed: number, count: number): string[] {
  const rng = random(seed);
  const stories = new Set<string>();
  while (stories.size < count) stories.add(story(rng));
  return [...stories];
}
