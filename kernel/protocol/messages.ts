/**
 * The messages of the Jupyter protocol 5.5 as one discriminated union.
 *
 * The types are JupyterLab's own, so a reply that JupyterLab would not understand does not compile. Only what its
 * package leaves out is written here: shutdown, and fields newer than its types.
 */
import type { KernelMessage as K } from "@jupyterlab/services";

export const PROTOCOL_VERSION = "5.5";

export type Header = Omit<K.IHeader, "msg_type"> & { msg_type: string };
export type Channel = K.Channel;
export type MimeBundle = Record<string, unknown>;

/** What every request is answered with; `error` replies are added to each. */
export interface Exchanges {
  kernel_info_request: { request: K.IInfoRequestMsg["content"]; reply: InfoReply };
  execute_request: { request: K.IExecuteRequestMsg["content"]; reply: K.IExecuteReplyMsg["content"] };
  is_complete_request: { request: K.IIsCompleteRequestMsg["content"]; reply: IsCompleteReply };
  complete_request: { request: K.ICompleteRequestMsg["content"]; reply: K.ICompleteReplyMsg["content"] };
  inspect_request: { request: K.IInspectRequestMsg["content"]; reply: K.IInspectReplyMsg["content"] };
  history_request: { request: K.IHistoryRequestMsg["content"]; reply: K.IHistoryReplyMsg["content"] };
  comm_info_request: { request: K.ICommInfoRequestMsg["content"]; reply: K.ICommInfoReplyMsg["content"] };
  interrupt_request: { request: Record<string, never>; reply: K.IInterruptReplyMsg["content"] };
  connect_request: { request: Record<string, never>; reply: { status: "ok" } & Ports };
  shutdown_request: { request: { restart: boolean }; reply: { status: "ok"; restart: boolean } };
  // Refused, in the form that each asks for.
  debug_request: { request: K.IDebugRequestMsg["content"]; reply: K.IDebugReplyMsg["content"] & ErrorReply };
  create_subshell_request: {
    request: K.ICreateSubshellRequestMsg["content"];
    reply: K.ICreateSubshellReplyMsg["content"];
  };
  delete_subshell_request: {
    request: K.IDeleteSubshellRequestMsg["content"];
    reply: K.IDeleteSubshellReplyMsg["content"];
  };
  list_subshell_request: {
    request: K.IListSubshellRequestMsg["content"];
    reply: K.IListSubshellReplyMsg["content"];
  };
}
export type InputRequest = K.IInputRequestMsg["content"];
export type Ports = Record<`${"shell" | "iopub" | "stdin" | "control" | "hb"}_port`, number>;
type InfoReply = K.IInfoReplyMsg["content"] & { supported_features?: string[] };
type IsCompleteReply = K.IIsCompleteReplyIncomplete | K.IIsCompleteReplyOther;

export type RequestType = keyof Exchanges;
export type ErrorReply = { status: "error"; ename: string; evalue: string; traceback: string[] };
export type Reply<T extends RequestType> = Exchanges[T]["reply"] | ErrorReply;

/** What the kernel broadcasts on IOPub. */
export interface Publications {
  status: K.IStatusMsg["content"];
  execute_input: K.IExecuteInputMsg["content"];
  stream: K.IStreamMsg["content"];
  display_data: K.IDisplayDataMsg["content"] & { transient: { display_id?: string } };
  update_display_data: K.IUpdateDisplayDataMsg["content"];
  execute_result: K.IExecuteResultMsg["content"];
  error: K.IErrorMsg["content"];
  clear_output: K.IClearOutputMsg["content"];
  comm_open: K.ICommOpenMsg<"iopub">["content"];
  comm_msg: K.ICommMsgMsg<"iopub">["content"];
  comm_close: K.ICommCloseMsg<"iopub">["content"];
  shutdown_reply: { status: "ok"; restart: boolean };
  iopub_welcome: { subscription: string };
}
export type PublicationType = keyof Publications;

/** A message off the wire whose signature and outer form are right; its content is not yet checked. */
export interface Message {
  identities: Buffer[];
  header: Header;
  parent: Partial<Header>;
  metadata: Record<string, unknown>;
  content: Record<string, unknown>;
  buffers: Buffer[];
}
