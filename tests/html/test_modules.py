"""The page's scripts are ES modules: a browser runs them as they are, and joined they do the same."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from fakes_html import zoo_like
from fakes_html_browser import Visitor
from fakes_web import Site

from reports.html.inlining import safe_script
from reports.html.modules import join_modules
from reports.html.page import render


def joined(**sources: str) -> str:
    return join_modules("main.js", {name.replace("__", "/") + ".js": text for name, text in sources.items()}.__getitem__)


def test_a_module_comes_after_those_it_imports_whatever_folder_it_is_in() -> None:
    text = joined(
        main="import { one } from './a/one.js';\nstart(one);\n",
        a__one="import { two } from '../b/two.js';\nexport const one = two();\n",
        b__two="export function two() { return 2; }\n",
    )
    assert [line for line in text.splitlines() if line.startswith("//")] == ["// b/two.js", "// a/one.js", "// main.js"]
    assert "import" not in text
    assert "export" not in text


def test_a_module_that_two_import_is_called_once() -> None:
    text = joined(
        main="import { a } from './a.js';\nimport { b } from './b.js';\n",
        a="import { b } from './b.js';\nexport const a = b;\n",
        b="export const b = 1;\n",
    )
    assert text.count("// b.js") == 1


def test_a_circle_is_named() -> None:
    with pytest.raises(ValueError, match=r"circle: .*a\.js.*b\.js|circle: .*b\.js.*a\.js"):
        joined(
            main="import { a } from './a.js';\n",
            a="import { b } from './b.js';\nexport const a = 1;\n",
            b="import { a } from './a.js';\nexport const b = 1;\n",
        )


@pytest.mark.parametrize(
    "form", ["export default 1;", "import x from './a.js';", "export { x };", "import './a.js';", "export let x = 1;"]
)
def test_another_form_of_import_or_export_is_refused(form: str) -> None:
    with pytest.raises(ValueError, match="cannot be joined"):
        joined(main=f"{form}\n", a="")


def test_every_script_of_the_page_is_reached_from_its_start(repository: Path) -> None:
    folder = repository / "reports" / "html" / "page" / "script"
    read: list[str] = []

    def reading(path: str) -> str:
        read.append(path)
        return (folder / path).read_text("utf-8")

    join_modules("main.js", reading)
    assert sorted([*read, "theme.js"]) == sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.js"))


@pytest.mark.browser
def test_the_modules_run_unjoined_as_the_browser_loads_them(visitor: Visitor, repository: Path, tmp_path: Path) -> None:
    folder = repository / "reports" / "html" / "page" / "script"
    shutil.copytree(folder, tmp_path / "script")
    script = safe_script(join_modules("main.js", lambda path: (folder / path).read_text("utf-8")))
    page = render(zoo_like(60))
    assert page.count(script) == 1
    page = page.replace(f'<script type="module">{script}</script>', '<script type="module" src="script/main.js"></script>')
    assert script not in page
    page = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page)  # it allows inline scripts only
    (tmp_path / "page.html").write_text(page, "utf-8")
    with Site(tmp_path) as site:
        tab = visitor.browser.new_page()
        problems: list[str] = []
        tab.on("pageerror", lambda error: problems.append(str(error)))
        tab.goto(f"{site.address}/page.html")
        tab.wait_for_function("document.documentElement.dataset.ready === 'yes'")
        shown = tab.locator("#board tbody tr").count()
        tab.close()
    assert problems == []
    assert shown == 25
