/** The prose of notebooks: Markdown with formulas, as JupyterLab shows it, without asking the network for anything. */
import fs from "node:fs";
import path from "node:path";
import katex from "katex";
import mime from "mime-types";

/** `$$…$$`, `\\[…\\]`, `\\(…\\)`, an environment, or `$…$` that is not about money. */
const FORMULAS: { pattern: RegExp; display: boolean; tex: (match: RegExpExecArray) => string }[] = [
  { pattern: /^\$\$([\s\S]+?)\$\$/, display: true, tex: (match) => match[1]! },
  { pattern: /^\\\\\[([\s\S]+?)\\\\\]/, display: true, tex: (match) => match[1]! },
  { pattern: /^\\\\\(([\s\S]+?)\\\\\)/, display: false, tex: (match) => match[1]! },
  { pattern: /^\\begin\{([a-z]+\*?)\}[\s\S]+?\\end\{\1\}/, display: true, tex: (match) => match[0] },
  { pattern: /^\$(?!\s)((?:\\[\s\S]|[^$\\])+?)(?<!\s)\$(?!\d)/, display: false, tex: (match) => match[1]! },
];

export class Markdown {
  /** Whether a formula was rendered: its style sheet and fonts are needed. */
  hasFormulas = false;

  /** @param readImage reads an image by its relative path */
  constructor(private readonly readImage: (path: string) => Promise<Buffer | undefined>) {}

  /** @param attachments images that the cell brings, by name */
  async render(source: string, attachments: Record<string, Record<string, unknown>> = {}): Promise<string> {
    const { Marked } = await import("marked");
    const marked = new Marked({
      gfm: true,
      async: true,
      extensions: [this.formulas("block"), this.formulas("inline")],
      walkTokens: async (token) => {
        if (token.type === "image") token.href = await this.embedded(token.href, attachments);
      },
    });
    return marked.parse(source);
  }

  /** A formula as HTML, and as MathML for who listens to it; what cannot be read is shown as it is, in red. */
  formula(tex: string, displayMode: boolean): string {
    this.hasFormulas = true;
    return katex.renderToString(tex, { displayMode, throwOnError: false, strict: "ignore" });
  }

  private formulas(level: "block" | "inline") {
    return {
      name: `formula-${level}`,
      level,
      start: (text: string) => (level === "inline" ? /\$|\\\\[([]|\\begin\{/.exec(text)?.index : undefined),
      tokenizer(text: string) {
        for (const { pattern, display, tex } of FORMULAS) {
          if (level === "block" && !display) continue;
          const match = pattern.exec(text);
          if (match) return { type: `formula-${level}`, raw: match[0], tex: tex(match), display };
        }
        return undefined;
      },
      renderer: ({ tex, display }: { [field: string]: any }) => this.formula(tex, display),
    };
  }

  private async embedded(
    href: string,
    attachments: Record<string, Record<string, unknown>>,
  ): Promise<string> {
    const [, name] = /^attachment:(.+)$/.exec(href) ?? [];
    const [type, data] = Object.entries(attachments[decode(name ?? "")] ?? {})[0] ?? [];
    if (type) return `data:${type};base64,${data}`;
    if (/^[a-z]+:|^\/\//i.test(href)) return href;
    const file = decode(href.replace(/[?#].*$/, ""));
    const bytes = await this.readImage(file);
    return bytes ? `data:${mime.lookup(file) || "image/png"};base64,${bytes.toString("base64")}` : href;
  }
}

/** KaTeX's style sheet with its fonts in it. */
export function formulaStyle(): string {
  const folder = path.dirname(require.resolve("katex/dist/katex.min.css"));
  return fs
    .readFileSync(path.join(folder, "katex.min.css"), "utf8")
    .replace(/src:url\((fonts\/[\w-]+\.woff2)\) format\("woff2"\)[^;}]*/g, (_, font) => {
      const data = fs.readFileSync(path.join(folder, font)).toString("base64");
      return `src:url(data:font/woff2;base64,${data}) format("woff2")`;
    });
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
