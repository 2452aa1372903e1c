/** The shelf: a card per tutorial with what it teaches, how long it takes and how far the reader is. */
import { showErrorMessage } from "@jupyterlab/apputils";
import type { ILauncher, LauncherModel } from "@jupyterlab/launcher";
import { LabIcon, ReactWidget, UseSignal } from "@jupyterlab/ui-components";
import type { CommandRegistry } from "@lumino/commands";
import type { Message } from "@lumino/messaging";
import { Signal } from "@lumino/signaling";
import { Widget } from "@lumino/widgets";
import type { Tutorial } from "../../server/api-types";
import { getTutorials, openTutorial } from "./api";

export interface ShelfOptions {
  commands: CommandRegistry;
  /** What other extensions offer to start: notebooks, consoles, files. */
  model: LauncherModel;
  /** The folder in which something new is made. */
  cwd: () => string;
  /** Told of the widget that a card opened. */
  opened: (widget: Widget) => void;
}

/** Asked for while the page is still being made. Every later look asks anew. */
let early: Promise<Tutorial[]> | null = getTutorials();
early.catch(() => {});

type Loaded = { tutorials: Tutorial[] } | { error: string } | null;

export class Shelf extends ReactWidget {
  private loaded: Loaded = null;
  private changed = new Signal<this, void>(this);
  /** A second click while the first one opens does nothing. */
  private opening = false;

  constructor(private options: ShelfOptions) {
    super();
    this.addClass("loralab-Shelf");
    this.node.tabIndex = -1;
  }

  /** Progress may have changed whenever the shelf comes into view. */
  protected override onAfterShow(_: Message): void {
    void this.load();
  }
  protected override onAfterAttach(message: Message): void {
    super.onAfterAttach(message);
    void this.load();
  }
  protected override onActivateRequest(_: Message): void {
    (this.node.querySelector<HTMLElement>("button") ?? this.node).focus();
  }

  private async load(): Promise<void> {
    const asked = early ?? getTutorials();
    early = null;
    try {
      this.loaded = { tutorials: await asked };
    } catch (error) {
      this.loaded = { error: (error as Error).message };
    }
    this.changed.emit();
  }

  /** Runs what a card stands for, and tells of the widget that it opened. */
  private async open(what: () => Promise<unknown>): Promise<void> {
    if (this.opening) return;
    this.opening = true;
    try {
      const widget = await what();
      if (widget instanceof Widget) this.options.opened(widget);
    } catch (error) {
      await showErrorMessage("This could not be opened", error as Error);
    } finally {
      this.opening = false;
    }
  }

  private openTutorial = (tutorial: Tutorial) =>
    this.open(async () => {
      const { path } = await openTutorial(tutorial.name);
      return this.options.commands.execute("docmanager:open", { path, factory: "Notebook" });
    });

  private start = (command: string, args: object) =>
    this.open(() => this.options.commands.execute(command, { ...args, cwd: this.options.cwd() }));

  protected override render() {
    return (
      <UseSignal signal={this.changed}>
        {() => (
          <div className="loralab-Shelf-page">
            <header>
              <h1>Low-rank fine-tuning, hands on</h1>
              <p>
                Each tutorial fine-tunes a real language model on this computer. You work in a copy of your
                own; nothing leaves the machine.
              </p>
            </header>
            <Cards loaded={this.loaded} open={this.openTutorial} />
            <UseSignal signal={this.options.model.stateChanged}>
              {() => <Blank commands={this.options.commands} model={this.options.model} start={this.start} />}
            </UseSignal>
          </div>
        )}
      </UseSignal>
    );
  }
}

function Cards({ loaded, open }: { loaded: Loaded; open: (tutorial: Tutorial) => void }) {
  if (!loaded) return <ul className="loralab-Shelf-cards" aria-busy="true" />;
  if ("error" in loaded) return <p role="alert">The tutorials could not be listed: {loaded.error}</p>;
  const { tutorials } = loaded;
  const next = tutorials.find((tutorial) => !isDone(tutorial));
  const hint = tutorials.some(({ progress }) => progress.opened) ? "Go on here" : "Start here";
  return (
    <ul className="loralab-Shelf-cards">
      {tutorials.map((tutorial) => (
        <li key={tutorial.name}>
          <Card tutorial={tutorial} hint={tutorial === next ? hint : undefined} open={() => open(tutorial)} />
        </li>
      ))}
    </ul>
  );
}

const isDone = ({ progress }: Tutorial) => progress.of > 0 && progress.run >= progress.of;

/** @param hint marks the one that comes next */
function Card({ tutorial, hint, open }: { tutorial: Tutorial; hint?: string; open: () => void }) {
  const { title, summary, minutes, progress } = tutorial;
  const number = /^\d+/.exec(tutorial.name)?.[0];
  const heading = title.replace(/^\d+\s*[·.:–-]\s*/, "");
  const done = isDone(tutorial);
  const state = !progress.opened
    ? "Not started"
    : done
      ? "All cells run"
      : `${progress.run} of ${progress.of} cells run`;
  return (
    <button
      type="button"
      className="loralab-Card"
      onClick={open}
      data-tutorial={tutorial.name}
      data-next={hint !== undefined}
    >
      <span className="loralab-Card-top">
        {number && <span className="loralab-Card-number">{Number(number)}</span>}
        {hint && <span className="loralab-Card-hint">{hint}</span>}
        {minutes !== null && <span className="loralab-Card-minutes">{minutes} min</span>}
      </span>
      <span className="loralab-Card-title">{heading}</span>
      <span className="loralab-Card-summary">{summary.replace(/[*`]/g, "")}</span>
      <span className="loralab-Card-state" data-done={done}>
        {done ? `✓ ${state}` : state}
      </span>
      <progress max={Math.max(1, progress.of)} value={progress.run} aria-hidden="true" />
    </button>
  );
}

/** The sections of JupyterLab's launcher, in its order. */
const CATEGORIES = ["Notebook", "Console", "Other"];

/** What JupyterLab's launcher offers, in one row. */
function Blank(props: {
  commands: CommandRegistry;
  model: LauncherModel;
  start: (command: string, args: object) => void;
}) {
  const order = (item: ILauncher.IItemOptions) =>
    CATEGORIES.indexOf(item.category ?? "") * 1000 + (item.rank ?? 999);
  const items = Array.from(props.model.items())
    .filter(({ category }) => CATEGORIES.includes(category ?? ""))
    .sort((a, b) => order(a) - order(b));
  if (!items.length) return null;
  return (
    <section className="loralab-Shelf-blank">
      <h2>Or start with a blank page</h2>
      {items.map(({ command, args = {}, category, kernelIconUrl }) => {
        const all = { ...args, isLauncher: true };
        const label = props.commands.label(command, all);
        const icon = props.commands.icon(command, all) as LabIcon | undefined;
        return (
          <button
            type="button"
            key={command + JSON.stringify(args)}
            title={props.commands.caption(command, all) || label}
            onClick={() => props.start(command, args)}
          >
            {kernelIconUrl ? (
              <img src={kernelIconUrl} alt="" />
            ) : (
              icon && <LabIcon.resolveReact icon={icon} tag="span" />
            )}
            {kernelIconUrl ? `${category}: ${label}` : label}
          </button>
        );
      })}
    </section>
  );
}
