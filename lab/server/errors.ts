/**
 * Errors as Jupyter Server answers them: a status, and `{ message, reason }` as JSON.
 *
 * `message` is for people and says what was expected, what was got and what to do; JupyterLab shows it.
 */
export class HttpError extends Error {
  constructor(
    readonly status: 400 | 401 | 403 | 404 | 409 | 410 | 411 | 413 | 500 | 503 | 507,
    message: string,
    readonly reason: string | null = null,
  ) {
    super(message);
  }
}

/**
 * Any error as one to answer with. Those of the file system get the status that fits and name the contents path.
 *
 * @param doing what was tried, as in "cannot save a.ipynb"
 */
export function asHttpError(error: unknown, doing: string): HttpError {
  if (error instanceof HttpError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  switch (code) {
    case "ENOENT":
      return new HttpError(404, `${doing}: no such file or folder`);
    case "EACCES":
    case "EPERM":
      return new HttpError(403, `${doing}: permission denied; check its permissions and its owner`, code);
    case "EROFS":
      return new HttpError(403, `${doing}: this disk can only be read`, code);
    case "ENOSPC":
    case "EDQUOT":
      return new HttpError(507, `${doing}: the disk is full; what was there before is unchanged`, code);
    case "ENOTDIR":
      return new HttpError(404, `${doing}: a part of the path is a file, not a folder`);
    case "EISDIR":
      return new HttpError(400, `${doing}: it is a folder`);
    case "ENAMETOOLONG":
      return new HttpError(400, `${doing}: the name is too long`, code);
    case "EEXIST":
      return new HttpError(409, `${doing}: it is there already`);
    case "ENOTEMPTY":
      return new HttpError(400, `${doing}: the folder is not empty; delete what is in it first`);
    default:
      return new HttpError(500, `${doing}: ${message}`, code ?? null);
  }
}
