"""Programs that are fuzzed: they tell the fuzzer which of their code ran, and are linked as it needs it."""

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

def _impl(ctx):
    program = ctx.actions.declare_file(ctx.label.name)
    ctx.actions.symlink(output = program, target_file = ctx.attr.binary[0][DefaultInfo].files_to_run.executable, is_executable = True)
    return [DefaultInfo(executable = program, files = depset([program]))]

binary_with_feedback = rule(
    implementation = _impl,
    attrs = {
        "binary": attr.label(cfg = _with_feedback, mandatory = True, executable = True, doc = "the program"),
        "_allowlist_function_transition": attr.label(default = "@bazel_tools//tools/allowlists/function_transition_allowlist"),
    },
    executable = True,
)
