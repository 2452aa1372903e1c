/** How an exported notebook looks: a column to read, code in grey, outputs under it. */
export const STYLE = `
body { margin: 0; color: #1d1d1f; background: #fff; font: 16px/1.6 system-ui, sans-serif; }
main { max-width: 54rem; margin: 0 auto; padding: 2rem 1.5rem 6rem 4rem; }
section { position: relative; margin: 0 0 1.2rem; }
h1, h2, h3 { line-height: 1.25; }
a { color: #0b57d0; }
pre, code { font: 0.86rem/1.5 ui-monospace, "SF Mono", Menlo, Consolas, monospace; }
pre { margin: 0; overflow-x: auto; white-space: pre-wrap; overflow-wrap: anywhere; }
.prose code { background: #f3f4f6; padding: 0.1em 0.3em; border-radius: 3px; }
.prose pre, .code { background: #f6f7f9; border: 1px solid #e3e5e8; border-radius: 4px; padding: 0.7rem 0.9rem; }
.prose pre code { background: none; padding: 0; }
.prompt { position: absolute; left: -3.4rem; top: 0.8rem; width: 3rem; text-align: right; color: #8a8f98; font: 0.75rem ui-monospace, monospace; white-space: pre; }
.output { margin-top: 0.5rem; overflow-x: auto; }
.output > pre { padding: 0.2rem 0.9rem; }
.stderr { background: #fdf3f2; }
.error { background: #fdecea; border-left: 3px solid #d93025; }
.figure { min-height: 360px; }
img { max-width: 100%; }
table { border-collapse: collapse; font-size: 0.9rem; }
th, td { padding: 0.25rem 0.7rem; text-align: right; border-bottom: 1px solid #e3e5e8; }
blockquote { margin: 0; padding-left: 1rem; border-left: 3px solid #d5d8dd; color: #555b64; }
.tok-keyword, .tok-operatorKeyword { color: #8250df; } .tok-string, .tok-string2 { color: #0a6f3c; }
.tok-number, .tok-bool, .tok-atom { color: #0550ae; } .tok-comment { color: #6b7280; font-style: italic; }
.tok-typeName, .tok-className { color: #953800; } .tok-definition { color: #1f3b73; } .tok-propertyName { color: #4a4e57; }
@media print { main { max-width: none; padding-left: 3.5rem; } .cell { break-inside: avoid; } }
`;
