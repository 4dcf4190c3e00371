"""What actions are executed with."""

from __future__ import annotations

import threading

from hermes.actions.tools import ThreadMemory


def test_each_thread_has_a_memory_of_its_own() -> None:
    """A requests.Session, and a view that is taken out while it is used, are not for two threads."""
    memory = ThreadMemory()
    seen: list[dict[object, object]] = []
    thread = threading.Thread(target=lambda: seen.append({"views": memory.views, "folders": memory.folders}))
    thread.start()
    thread.join()
    assert seen[0]["views"] is not memory.views
    assert seen[0]["folders"] is not memory.folders
    assert memory.views is memory.views
