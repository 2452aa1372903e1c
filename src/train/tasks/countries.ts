/**
 * The real countries the base models know: names, capitals, continents, currencies and languages from the
 * npm package countries-list, cleaned for plain English prose in ASCII.
 *
 * Cleaning means: "the" where English wants it, common names in place of official ones, no dependent
 * territories but a few well-known ones, and a current capital where the source is ambiguous.
 */
import { continents, countries, languages } from "countries-list";
import { currencies } from "countries-list/currencies";

export interface Country {
  /** ISO 3166-1 alpha-2 code. */
  code: string;
  /** As used inside a sentence, with its article: "the Netherlands", "France". */
  name: string;
  capital: string;
  continent: string;
  /** As used after "the": "euro", "Danish krone". */
  currency: string;
  /** At most two, the most important first. */
  languages: string[];
}

/** Antarctica, dependent territories and islands: most have no capital, or one that is hardly a town. */
const LEFT_OUT = new Set(
  (
    "AC AI AQ AS AX BL BM BQ BV CC CK CW CX EH FK FO GF GG GI GP GS GU HK HM IM IO JE KY MF MO MP MQ MS NC NF " +
    "NU PF PM PN RE SH SJ SX TA TC TF TK UM VG VI WF YT AW"
  ).split(" "),
);

const WITH_ARTICLE = new Set([
  "Bahamas",
  "Central African Republic",
  "Comoros",
  "Democratic Republic of the Congo",
  "Dominican Republic",
  "Gambia",
  "Maldives",
  "Marshall Islands",
  "Netherlands",
  "Philippines",
  "Republic of the Congo",
  "Seychelles",
  "Solomon Islands",
  "United Arab Emirates",
  "United Kingdom",
  "United States",
]);

const COMMON_NAMES: Record<string, string> = { CV: "Cape Verde", TR: "Turkey" };
const CAPITALS: Record<string, string> = { SM: "San Marino", SZ: "Mbabane", US: "Washington" };
const CONTINENTS: Record<string, string> = { RU: "Europe", TL: "Asia" };
const LANGUAGES: Record<string, string> = {
  "Panjabi / Punjabi": "Punjabi",
  "Tagalog / Filipino": "Tagalog",
  Cambodian: "Khmer",
  Laotian: "Lao",
  Peul: "Fula",
  Rwandi: "Kinyarwanda",
  Somalia: "Somali",
  Tonga: "Tongan",
};

/** Letters without their accents, typographic apostrophes as ASCII ones. */
export function ascii(text: string): string {
  return text
    .normalize("NFD")
    .replace(/[\u0300-\u036f]/g, "")
    .replace(/[\u2018\u2019\u02bb\u02bc]/g, "'");
}

/** "Danish Krone" becomes "Danish krone": proper adjectives keep their capital letter, the unit has none. */
function currencyName(code: string): string {
  const name = ascii((currencies as Record<string, { name: string }>)[code].name).replace("&", "and");
  return name
    .replace(/\S+$/, (unit) => unit.toLowerCase())
    .replace(/ (New shekel|Convertible mark)$/, (w) => w.toLowerCase());
}

function clean(code: string): Country {
  const entry = countries[code as keyof typeof countries];
  const name = COMMON_NAMES[code] ?? ascii(entry.name);
  const spoken = entry.languages
    .map((id) => languages[id as keyof typeof languages].name)
    .filter((l) => !/^Norwegian ./.test(l));
  return {
    code,
    name: WITH_ARTICLE.has(name) ? `the ${name}` : name,
    capital: CAPITALS[code] ?? ascii(entry.capital),
    continent: CONTINENTS[code] ?? continents[entry.continent],
    currency: currencyName(entry.currency[0]),
    languages: spoken.slice(0, 2).map((language) => LANGUAGES[language] ?? ascii(language)),
  };
}

/** All real countries, sorted by name without its article. */
export const COUNTRIES: readonly Country[] = Object.keys(countries)
  .filter((code) => !LEFT_OUT.has(code))
  .map(clean)
  .sort((a, b) => (bare(a.name) < bare(b.name) ? -1 : 1));

/** The name without its article. */
export function bare(name: string): string {
  return name.replace(/^the /, "");
}

/** "France's", "the Netherlands'". */
export function possessive(name: string): string {
  return name.endsWith("s") ? `${name}'` : `${name}'s`;
}
