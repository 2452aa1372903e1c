/** Positions in text: Jupyter counts Unicode code points, JavaScript counts UTF-16 units. */

export function codePointsToUnits(text: string, codePoints: number): number {
  let units = 0;
  for (let left = codePoints; left > 0 && units < text.length; left--)
    units += text.codePointAt(units)! > 0xffff ? 2 : 1;
  return units;
}

export function unitsToCodePoints(text: string, units: number): number {
  return [...text.slice(0, units)].length;
}
