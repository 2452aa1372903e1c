/** What the kernel offers to the rest of the package: itself, a client, and running notebooks. */
export { type ClientOptions, type Exchange, KernelClient, ownKernel } from "./client";
export { type Connection, newConnection, readConnection } from "./connection";
export { installedKernelspecs, installKernelspec, type Place, uninstallKernelspec } from "./install";
export { type Kernel, startKernel } from "./kernel";
export { type NotebookResult, type RunOptions, runNotebook } from "./notebooks";
