"""Programs that are fuzzed: they tell the fuzzer which of their code ran, and are linked as it needs it."""

load("//tools/build_defs:optimized.bzl", "program_attrs", "program_impl")

# LLVM's SanitizerCoverage, which stable Rust has.
FEEDBACK_FLAGS = [
    "-Copt-level=1",
    "-Cdebug-assertions=on",
    "-Coverflow-checks=on",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
]

def _platform(_settings, _attr):
    return {"//command_line_option:platforms": "//tools/fuzz:platform"}

_with_feedback = transition(
    implementation = _platform,
    inputs = [],
    outputs = ["//command_line_option:platforms"],
)

binary_with_feedback = rule(
    implementation = program_impl,
    attrs = program_attrs(_with_feedback),
    executable = True,
)
