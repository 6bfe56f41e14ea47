"""The offline planner: the same conversation gives the same step."""

from airboss.providers.offline.planner import Answer, Calls, Seen, decode_answer, plan

TOOLS = frozenset({"files.list", "files.read"})
ROOT = Seen(
    "files.list",
    {"path": "."},
    {
        "entries": [
            {"name": "docs", "kind": "directory"},
            {"name": "cancel.md", "kind": "file"},
            {"name": "photo.png", "kind": "file"},
            {"name": ".git", "kind": "directory"},
            {"name": "away", "kind": "symlink"},
        ]
    },
)
DOCS = Seen("files.list", {"path": "docs"}, {"entries": [{"name": "events.md", "kind": "file"}]})
CANCEL = Seen("files.read", {"path": "cancel.md"}, {"text": "# Cancel\n\nA cancel stops the work.\n"})
EVENTS = Seen("files.read", {"path": "docs/events.md"}, {"text": "Nothing of it.\n"})


def test_it_lists_the_root_first() -> None:
    assert plan("anything", [], TOOLS) == Calls((("files.list", {"path": "."}),))


def test_it_lists_folders_but_neither_hidden_ones_nor_links() -> None:
    assert plan("anything", [ROOT], TOOLS) == Calls((("files.list", {"path": "docs"}),))


def test_it_reads_text_files_the_nearest_to_the_question_first() -> None:
    step = plan("How do events work?", [ROOT, DOCS], TOOLS)
    assert step == Calls((("files.read", {"path": "docs/events.md"}), ("files.read", {"path": "cancel.md"})))


def test_it_quotes_with_file_and_line() -> None:
    step = plan("What does a cancel stop?", [ROOT, DOCS, CANCEL, EVENTS], TOOLS)
    assert isinstance(step, Answer)
    assert "not a language model" in step.text
    assert "- cancel.md:3: A cancel stops the work." in step.text
    assert "- docs/events.md: 3 words. Begins: Nothing of it." in step.text


def test_it_says_when_nothing_matches() -> None:
    step = plan("zebra", [ROOT, DOCS, CANCEL, EVENTS], TOOLS)
    assert isinstance(step, Answer)
    assert "No line in them shares a word with your question." in step.text


def test_it_tells_what_a_tool_refused() -> None:
    refused = Seen("files.list", {"path": "."}, "error: the root does not exist: create it")
    step = plan("anything", [refused], TOOLS)
    assert isinstance(step, Answer)
    assert "create it" in step.text


def test_without_tools_it_answers_at_once() -> None:
    assert isinstance(plan("anything", [], frozenset()), Answer)


def test_of_an_answer_its_result_is_looked_at_or_what_failed() -> None:
    assert decode_answer('{"data_from_tool": "files.list", "result": {"a": 1}}') == {"a": 1}
    assert decode_answer('{"data_from_tool": "files.list", "error": {"message": "no"}}') == "no"
    assert decode_answer("[1]") == "[1]"
    assert decode_answer("error: no") == "error: no"


def test_it_counts_one_and_many() -> None:
    one = Seen("files.list", {"path": "."}, {"entries": [{"name": "a.md", "kind": "file"}]})
    read = Seen("files.read", {"path": "a.md"}, {"text": "word\n"})
    step = plan("anything", [one, read], TOOLS)
    assert isinstance(step, Answer)
    assert "I listed 1 file in 1 folder and read it:" in step.text
    assert "- a.md: 1 word." in step.text
    step = plan("anything", [ROOT, DOCS, CANCEL, EVENTS], TOOLS)
    assert isinstance(step, Answer)
    assert "I listed 3 files in 2 folders and read 2 of them:" in step.text
