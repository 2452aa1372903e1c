/** Loaded before all tests. Properties are tried on the same cases in every run, so a failure can be repeated. */
import fc from "fast-check";

fc.configureGlobal({ seed: 20261101 });
