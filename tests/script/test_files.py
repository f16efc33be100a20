"""Files with scripts in them: notebooks, pages, encodings, and snippets that lost their line breaks."""

from __future__ import annotations

import json

import pytest

from cadence._errors import ScriptError
from cadence.script.files import read_bytes, read_file
from cadence.script.flat import flattened, repaired
from cadence.script.rates import rates
from cadence.script.read import read_script

SNIPPET = "import torch\nopt = torch.optim.SGD(p, lr=0.1)\n"


def notebook(*cells: tuple[str, str | list[str]]) -> bytes:
    return json.dumps({"cells": [{"cell_type": kind, "source": source} for kind, source in cells]}).encode()


def test_a_notebook_is_its_code_cells_without_magics() -> None:
    data = notebook(
        ("markdown", "# Training"),
        ("code", ["%matplotlib inline\n", "!pip install torch\n", "import torch"]),
        ("code", "%%bash\nls | wc\nfor"),
        ("code", "%%time\nopt = torch.optim.SGD(p, lr=0.1)\nfiles = !ls\nopt?"),
        ("code", "if True:\n    !nvidia-smi\nx = (1\n% 2)"),
    )
    (script,) = read_bytes(data, "train.ipynb")
    assert script.problems == ()
    assert script.optimizers[0].lr == 0.1
    assert script.at(script.optimizers[0].line) == "cell 4, line 2"


def test_a_cell_that_is_no_python_is_left_out_and_named() -> None:
    (script,) = read_bytes(notebook(("code", SNIPPET), ("code", "for x in")), "n.ipynb")
    assert len(script.optimizers) == 1
    assert [(p.kind, script.at(p.line)) for p in script.problems] == [("syntax", "cell 2, line 1")]
    assert "cell 2 is no Python" in script.problems[0].text


@pytest.mark.parametrize("data", [b"{", b"[]", b'{"cells": 3}', b"null", b"[" * 100_000])
def test_what_is_no_notebook_is_refused(data: bytes) -> None:
    with pytest.raises(ScriptError, match=r"n\.ipynb is no notebook"):
        read_bytes(data, "n.ipynb")


def test_cells_of_any_shape_are_borne() -> None:
    (script,) = read_bytes(b'{"cells": [1, {}, {"cell_type": "code"}, {"cell_type": "code", "source": 3}]}', "n.ipynb")
    assert script.text == ""


PAGE = """# Page

```python
import torch
opt = torch.optim.SGD(p, lr=0.1)
```

Words, and `code`.

```sh
pip install torch
```

1. In a list:

   ~~~py
   import torch
   opt = torch.optim.Adam(p, lr=0.2)
   ~~~

> ```{python}
> import torch
> ```

```pycon
>>> import torch
>>> opt = torch.optim.Adam(
...     p, lr=0.3)
Adam()
```

```python
for x in
```
"""


def test_a_page_is_one_script_for_each_block_with_the_lines_of_the_page() -> None:
    scripts = read_bytes(PAGE.encode(), "page.md")
    assert [[(o.line, o.lr) for o in script.optimizers] for script in scripts] == [
        [(5, 0.1)], [(18, 0.2)], [], [(27, 0.3)], [],
    ]  # fmt: skip
    assert scripts[4].problems[0].kind == "syntax"
    assert scripts[4].problems[0].line == 33


def test_a_binary_file_is_refused_in_a_sentence() -> None:
    with pytest.raises(ScriptError, match=r"w\.py is a binary file; give a Python script"):
        read_bytes(b"\x7fELF\0\0", "w.py")


def test_the_encoding_that_a_script_declares_is_used() -> None:
    text = "# -*- coding: gb2312 -*-\nname = '学习率'\n"
    assert read_bytes(text.encode("gb2312"), "t.py")[0].constants == {"name": "学习率"}
    assert read_bytes(b"\xef\xbb\xbfx = 1\r\ny = 2\r", "t.py")[0].constants == {"x": 1, "y": 2}


@pytest.mark.parametrize("data", [b"\xff\xfe\x41", b"# coding: nonsense\nx = 1", "name = '率'".encode("gb2312")])
def test_what_cannot_be_decoded_is_refused_in_a_sentence(data: bytes) -> None:
    with pytest.raises(ScriptError, match=r"t\.py cannot be read as text"):
        read_bytes(data, "t.py")


def test_a_file_is_read_from_its_path(tmp_path) -> None:
    path = tmp_path / "train.py"
    path.write_text(SNIPPET, encoding="utf-8")
    (script,) = read_file(path)
    assert (script.name, len(script.optimizers)) == (str(path), 1)


FLAT = (
    "import torch from torch.optim import lr_scheduler optimizer = torch.optim.SGD(model.parameters(), lr=0.1) "
    "# every 30 epochs scheduler = lr_scheduler.StepLR(optimizer, step_size=30) for epoch in range(90): train() "
    "if epoch > 3: validate() else: print('x for y in z') scheduler.step()"
)

REPAIRED = """import torch
from torch.optim import lr_scheduler
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
scheduler = lr_scheduler.StepLR(optimizer, step_size=30)
for epoch in range(90):
    train()
    if epoch > 3:
        validate()
    else:
        print('x for y in z')
        scheduler.step()"""


def test_a_flattened_snippet_is_recognised_and_a_guess_at_it_is_reported_only() -> None:
    script = read_script(FLAT, "page")
    (problem,) = script.problems
    assert (problem.kind, problem.line, problem.repaired) == ("flattened", 1, REPAIRED)
    assert "ran together" in problem.text
    assert script.optimizers == ()
    with pytest.raises(ScriptError, match="ran together"):
        rates(script)


@pytest.mark.parametrize(
    "text",
    [
        "scheduler = StepLR(optimizer, 30) optimizer.step()",
        "# the schedule: scheduler = StepLR(optimizer, step_size=30)",
        "x = 1 # 每30轮衰减 scheduler = StepLR(optimizer, step_size=30)",
        "model = Net() model.train()",
        "import paddle\nscheduler = StepDecay(0.1, 30) for e in range(3): scheduler.step()",
        "a = 'text' b = 3",
    ],
)
def test_flattened_snippets_are_recognised(text: str) -> None:
    assert flattened(text) is not None


@pytest.mark.parametrize(
    "text",
    [
        "", "x", "for i in range(3): print(i)", "x = 1 if y else 2", "print(x) if a else print(y)", "raise A from b",
        "from a import b as c, d", "x = [i for i in y if i]; z = not x", "lr = 0.1  # lr = 0.2 is too much",
        "lr = 0.1  # of StepLR(optimizer)", "assert x is not None, 'no'", "f = lambda x: x if x else 3",
        "with open('a') as f, open('b') as g: pass", "# scheduler = StepLR(optimizer, 30)", "async def f(): await g()",
        "x = 'a' 'b'", "x = 'for y in z: w'", "x = yield y", "global x", "del x, y", "x: int = 3", "class A(B): x = 1",
        "x = a not in b", "x = f(a for a in b)", "if x: y = 1", "return x", "@d\ndef f(): pass", "import a.b.c",
    ],
)  # fmt: skip
def test_sound_lines_are_not(text: str) -> None:
    assert flattened(text) is None


def test_what_cannot_be_repaired_gives_no_guess() -> None:
    assert repaired("x = = 3 y = 4") == ""
