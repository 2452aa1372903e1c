/**
 * What Yjs logs with, without its warnings: JupyterLab reads each cell before the cell is part of a document, and Yjs warns
 * of it, several times a cell. That is 450 lines in the console for a notebook of 100 cells, and a tenth of the time that
 * it takes to open.
 */
export * from "lib0/logging.js";
export const warn = () => {};
