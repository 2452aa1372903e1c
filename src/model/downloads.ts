/** Who follows downloads: displays. The hub's part knows nothing of them but when to tell them. */

/** The files of one model on their way here. */
export interface Download {
  /** The model's name on the hub. */
  readonly model: string;
  /** Bytes in all. */
  readonly total: number;
  /** Bytes that were here before, from an attempt that was interrupted. */
  resumed: number;
  /** Bytes that are here now. */
  done: number;
}

export interface DownloadObserver {
  begin(download: Download): { step(): void; end(): void | Promise<void> };
}

const observers = new Set<DownloadObserver>();

/** Lets a display follow every download. Returns how to stop that. */
export function observeDownloads(observer: DownloadObserver): () => void {
  observers.add(observer);
  return () => observers.delete(observer);
}

/** Tells all observers that a download begins; they are told of each piece and of the end through what comes back. */
export const beginDownload = (download: Download) =>
  [...observers].map((observer) => observer.begin(download));
