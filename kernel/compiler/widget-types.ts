/** Types of the widgets and comms that cells find. The values are made in child/widgets and child/comms.ts. */
export const WIDGET_TYPES = `
/**
 * The widgets of ipywidgets, under their names there. Properties are ipywidgets' too, in camel case.
 *
 * A widget that is the last expression of a cell, or given to \`display\`, appears; all its views change together.
 */
declare namespace widgets {
  /** Sizes and places of a widget, as CSS texts; \`null\` leaves them to the front end. */
  interface LayoutProperties {
${[
  "alignContent alignItems alignSelf borderBottom borderLeft borderRight borderTop bottom display flex flexFlow gridArea",
  "gridAutoColumns gridAutoFlow gridAutoRows gridColumn gridGap gridRow gridTemplateAreas gridTemplateColumns",
  "gridTemplateRows height justifyContent justifyItems left margin maxHeight maxWidth minHeight minWidth objectFit",
  "objectPosition order overflow padding right top visibility width",
]
  .flatMap((names) => names.split(" "))
  .map((name) => `    ${name}: string | null;\n`)
  .join("")}  }
  interface DescriptionStyle {
    /** CSS width of the description, or \`"initial"\` for as wide as its text. */
    descriptionWidth: string;
  }
  interface SliderStyle extends DescriptionStyle { handleColor: string | null }
  interface ProgressStyle extends DescriptionStyle { barColor: string | null }
  interface CheckboxStyle extends DescriptionStyle { background: string | null }
  interface TextStyle extends DescriptionStyle {
    background: string | null;
    fontSize: string | null;
    textColor: string | null;
  }
  interface ButtonStyle {
    buttonColor: string | null;
    fontFamily: string | null;
    fontSize: string | null;
    fontStyle: string | null;
    fontVariant: string | null;
    fontWeight: string | null;
    textColor: string | null;
    textDecoration: string | null;
  }
  /** \`null\` leaves it to the front end. */
  interface CommonProperties {
    /** Whether the Tab key stops at the widget. */
    tabbable: boolean | null;
    /** Shown when the mouse rests on the widget. */
    tooltip: string | null;
  }
  interface DescribedProperties extends CommonProperties {
    /** Text before the widget. */
    description: string;
    /** Whether the description is HTML. */
    descriptionAllowHtml: boolean;
  }
  interface SliderProperties<T> extends DescribedProperties {
    value: T;
    min: number;
    max: number;
    step: number;
    /** Whether the value follows the handle while it moves, and not only when it is let go. */
    continuousUpdate: boolean;
    disabled: boolean;
    orientation: "horizontal" | "vertical";
    /** Whether the value is shown beside the slider. */
    readout: boolean;
    /** Format of that, as in d3-format: \`"d"\`, \`".2f"\`. */
    readoutFormat: string;
    /** What dragging and clicking do. */
    behavior: "drag-tap" | "drag-snap" | "tap" | "drag" | "snap";
  }
  interface LogSliderProperties extends SliderProperties<number> {
    /** Of the logarithm; \`min\` and \`max\` are exponents. */
    base: number;
  }
  interface ProgressProperties extends DescribedProperties {
    value: number;
    min: number;
    max: number;
    barStyle: "" | "success" | "info" | "warning" | "danger";
    orientation: "horizontal" | "vertical";
  }
  interface CheckboxProperties extends DescribedProperties {
    value: boolean;
    disabled: boolean;
    /** Whether it stands in line with the widgets above and below. */
    indent: boolean;
  }
  interface TextProperties extends DescribedProperties {
    value: string;
    /** Whether the value follows each key, and not only Enter. */
    continuousUpdate: boolean;
    disabled: boolean;
    /** Shown while the text is empty. */
    placeholder: string;
  }
  interface ButtonProperties extends CommonProperties {
    /** Text on the button. */
    description: string;
    disabled: boolean;
    buttonStyle: "" | "primary" | "success" | "info" | "warning" | "danger";
    /** Name of a Font Awesome icon: \`"check"\`. */
    icon: string;
  }
  interface HTMLProperties extends DescribedProperties {
    /** The markup. */
    value: string;
    placeholder: string;
  }
  interface BoxProperties extends CommonProperties {
    children: readonly Widget[];
    boxStyle: "" | "success" | "info" | "warning" | "danger";
  }
  interface DropdownProperties<T> extends DescribedProperties {
    /** The option that is chosen, \`null\` for none. */
    value: T | null;
    disabled: boolean;
  }
  interface DropdownOptions<T> extends Partial<DropdownProperties<T>>, Parts<DescriptionStyle> {
    /** Values, or labels with their values. */
    options?: readonly T[] | Readonly<Record<string, T>>;
  }
  interface Parts<Style> {
    layout?: Partial<LayoutProperties>;
    style?: Partial<Style>;
  }
  /** All of a widget's properties can be given when it is made. */
  type Options<Properties, Style = {}> = Partial<Properties> & Parts<Style>;

  interface Widget {
    /** Id of its model and of its comm. */
    readonly id: string;
    get layout(): LayoutProperties;
    set layout(changes: Partial<LayoutProperties>);
    /** Ends the widget: its views disappear. */
    close(): void;
  }
  /** A widget with a value. */
  interface ValueWidget<T> extends Widget {
    value: T;
    /**
     * Calls back when the value changes, through the front end or by code. What the callback prints appears in the
     * cell that registered it.
     *
     * @returns a function that ends this
     */
    onChange(callback: (value: T, previous: T) => unknown): () => void;
  }
  interface Styled<Style> {
    get style(): Style;
    set style(changes: Partial<Style>);
  }
  interface IntSlider extends ValueWidget<number>, SliderProperties<number>, Styled<SliderStyle> {}
  /** A slider of integers. */
  class IntSlider { constructor(options?: Options<SliderProperties<number>, SliderStyle>) }
  interface FloatSlider extends ValueWidget<number>, SliderProperties<number>, Styled<SliderStyle> {}
  /** A slider of any numbers. */
  class FloatSlider { constructor(options?: Options<SliderProperties<number>, SliderStyle>) }
  interface FloatLogSlider extends ValueWidget<number>, LogSliderProperties, Styled<SliderStyle> {}
  /** A slider over powers: from \`base ** min\` to \`base ** max\`, such as a learning rate. */
  class FloatLogSlider { constructor(options?: Options<LogSliderProperties, SliderStyle>) }
  interface IntRangeSlider
    extends ValueWidget<[number, number]>, SliderProperties<[number, number]>, Styled<SliderStyle> {}
  /** A slider with two handles, of integers. */
  class IntRangeSlider { constructor(options?: Options<SliderProperties<[number, number]>, SliderStyle>) }
  interface FloatRangeSlider
    extends ValueWidget<[number, number]>, SliderProperties<[number, number]>, Styled<SliderStyle> {}
  /** A slider with two handles, of any numbers. */
  class FloatRangeSlider { constructor(options?: Options<SliderProperties<[number, number]>, SliderStyle>) }
  interface IntProgress extends ValueWidget<number>, ProgressProperties, Styled<ProgressStyle> {}
  /** A bar that code moves. For loops, \`progress\` is simpler. */
  class IntProgress { constructor(options?: Options<ProgressProperties, ProgressStyle>) }
  interface FloatProgress extends ValueWidget<number>, ProgressProperties, Styled<ProgressStyle> {}
  /** A bar that code moves. For loops, \`progress\` is simpler. */
  class FloatProgress { constructor(options?: Options<ProgressProperties, ProgressStyle>) }
  interface Dropdown<T> extends ValueWidget<T | null>, DropdownProperties<T>, Styled<DescriptionStyle> {
    /** By label. Setting them keeps the value if it is among the new ones. */
    get options(): Record<string, T>;
    set options(options: readonly T[] | Readonly<Record<string, T>>);
  }
  /** One of several options. */
  class Dropdown<T> { constructor(options?: DropdownOptions<T>) }
  interface Checkbox extends ValueWidget<boolean>, CheckboxProperties, Styled<CheckboxStyle> {}
  /** A box to tick. */
  class Checkbox { constructor(options?: Options<CheckboxProperties, CheckboxStyle>) }
  interface Text extends ValueWidget<string>, TextProperties, Styled<TextStyle> {}
  /** A line of text to edit. */
  class Text { constructor(options?: Options<TextProperties, TextStyle>) }
  interface Button extends Widget, ButtonProperties, Styled<ButtonStyle> {
    /** Calls back at each click. @returns a function that ends this */
    onClick(callback: () => unknown): () => void;
  }
  /** A button. */
  class Button { constructor(options?: Options<ButtonProperties, ButtonStyle>) }
  interface HTML extends ValueWidget<string>, HTMLProperties, Styled<TextStyle> {}
  /** Markup. */
  class HTML { constructor(options?: Options<HTMLProperties, TextStyle>) }
  interface HBox extends Widget, BoxProperties {}
  /** Widgets side by side. */
  class HBox { constructor(options?: Options<BoxProperties>) }
  interface VBox extends Widget, BoxProperties {}
  /** Widgets one below the other. */
  class VBox { constructor(options?: Options<BoxProperties>) }
  interface Output extends Widget, CommonProperties {
    /** Runs a function whose prints and displays go into this widget. @returns what the function returns */
    capture<T>(body: () => T): T;
    /** Adds a value below what is there. */
    append(value: unknown): void;
    /** Empties the widget; with \`wait\`, when the next output arrives. */
    clear(options?: { wait?: boolean }): void;
  }
  /** An area for outputs of any kind. */
  class Output { constructor(options?: Options<CommonProperties>) }

  /** How \`interact\` is told of a control. */
  type Control =
    | readonly [number, number]
    | readonly [number, number, number]
    | boolean
    | string
    | readonly string[]
    | Readonly<Record<string, unknown>>
    | ValueWidget<any>;
  /** The type of a control's value. */
  type ControlValue<C> = C extends ValueWidget<infer T> ? T
    : C extends boolean ? boolean
    : C extends string ? string
    : C extends readonly number[] ? number
    : C extends readonly (infer T)[] ? T
    : C extends Readonly<Record<string, infer T>> ? T
    : never;
}

/**
 * Shows controls and what a function makes of their values; runs it again after each change.
 *
 * What the function prints, displays and returns appears below the controls and is replaced by the next run. It may be
 * async. While it runs, changes are not queued: the next run has the latest values, and a run that takes long while its
 * values are out of date is stopped (\`train\` and other code that listens to the cell's signal end at once). One that is
 * an async generator shows each value that it yields, and once it has yielded is stopped by the next change. After the page
 * was loaded again the controls are live, and what is below them once the cell is run again.
 *
 * @param controls by name: \`[min, max]\` or \`[min, max, step]\` makes a slider, a boolean a checkbox, a text a line to edit,
 *   a list of texts or \`{ label: value }\` a dropdown; a widget is taken as it is
 * @throws whatever the function throws in its first run; later errors appear in place of its output
 */
declare function interact<const C extends Record<string, widgets.Control>>(
  fn: (values: { [Name in keyof C]: widgets.ControlValue<C[Name]> }) => unknown,
  controls: C,
): void;

/** Channels to code in the front end, as widgets have them. */
declare namespace comms {
  interface Attachments {
    metadata?: Record<string, unknown>;
    /** Binary data, sent as it is. */
    buffers?: ArrayBufferView[];
  }
  interface Comm {
    readonly id: string;
    readonly target: string;
    readonly isOpen: boolean;
    /** @throws Error when the comm is closed */
    send(data: Record<string, unknown>, attachments?: Attachments): void;
    /** Ends the comm on both sides. */
    close(data?: Record<string, unknown>): void;
    /** Calls back with each message of the front end. @returns a function that ends this */
    onMessage(callback: (data: any, buffers: Uint8Array[]) => unknown): () => void;
    /** Calls back when the front end closes the comm. @returns a function that ends this */
    onClose(callback: (data: any) => unknown): () => void;
  }
  /** Opens a comm of a target that the front end knows. */
  function open(target: string, data?: Record<string, unknown>, attachments?: Attachments): Comm;
  /** Makes a target that front ends can open comms of; replaces an earlier one of the same name. */
  function register(target: string, onOpen: (comm: Comm, data: any, buffers: Uint8Array[]) => unknown): void;
}
`;
