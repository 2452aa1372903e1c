/** Text and pictures in HTML. */

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"]/g, (c) => `&${{ "&": "amp", "<": "lt", ">": "gt", '"': "quot" }[c]};`);
}

/**
 * A picture with its source in its address: GitHub and untrusted notebooks keep that, and take out an <svg> in the page.
 * @param alt what the picture shows, for who cannot see it
 */
export function svgImage(svg: string, width: number, alt: string): string {
  const data = Buffer.from(svg).toString("base64");
  return `<img src="data:image/svg+xml;base64,${data}" width="${width}" alt="${escapeHtml(alt)}">`;
}
