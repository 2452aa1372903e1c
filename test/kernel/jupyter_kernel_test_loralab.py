"""jupyter_kernel_test on the loralab kernel.

Needs the Python packages jupyter_kernel_test and jupyter_client, and an installed kernelspec:

    npx loralab kernel install --prefix "$PREFIX"
    JUPYTER_PATH="$PREFIX/share/jupyter" python3 test/kernel/jupyter_kernel_test_loralab.py -v
"""

import unittest

import jupyter_kernel_test


class LoralabKernelTests(jupyter_kernel_test.KernelTests):
    kernel_name = "loralab"
    language_name = "typescript"
    file_extension = ".ts"

    code_hello_world = "console.log('hello, world')"
    code_stderr = "console.error('to stderr')"
    completion_samples = [
        {"text": "JSON.strin", "matches": {"stringify"}},
        {"text": "display", "matches": {"display"}},
    ]
    complete_code_samples = ["1", "console.log('hello, world')", "function f(x: number) {\n  return x * 2;\n}"]
    incomplete_code_samples = ["console.log('hello", "function f(x: number) {\n  return", "const a = [1,", "`text"]
    invalid_code_samples = ["const 1 = )", "let x = ;", "}"]
    code_page_something = "page('a long text')"
    code_generate_error = "throw new Error('on purpose')"
    code_execute_result = [
        {"code": "1 + 2 + 3", "result": "6"},
        {"code": "[1, 2].map((n) => n * n)", "result": "[ 1, 4 ]"},
        {"code": "'a' + 'b'", "result": "'ab'"},
        {"code": "'a' + 'b'", "result": "'ab'"},
        {"code": "'a' + 'c'", "result": "'ac'"},
    ]
    code_display_data = [
        {
            "code": "display({ [Symbol.for('Jupyter.display')]: () => ({ 'text/html': '<b>bold</b>' }) })",
            "mime": "text/html",
        },
        {"code": "display(new Map([[1, 2]]))", "mime": "text/plain"},
    ]
    code_history_pattern = "'a' + 'b*"
    supported_history_operations = ("tail", "range", "search")
    code_inspect_sample = "display"
    code_clear_output = "clearOutput()"


if __name__ == "__main__":
    unittest.main()
