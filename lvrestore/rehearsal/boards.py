"""Boards in a dry run: copies of those that were read, with the parts that would have been written to them."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from lvrestore.looker.protocol import path
from lvrestore.model import Json

Played = dict[str, Any]


class RehearsedBoards:
    """Plays writes to boards, sections and items as a server that enters what is new into its arrays."""

    def __init__(self) -> None:
        self._boards: dict[str, Played] = {}

    def remember(self, live: Json) -> None:
        """Keep copies of the boards that were read; what a list leaves out does not replace what is known."""
        if isinstance(live, dict):
            self._boards[path("boards", live["id"])] = deepcopy(live)
        for one in live if isinstance(live, list) else ():
            self._boards.setdefault(path("boards", one["id"]), one)

    def read(self, where: str) -> Played | None:
        """The board at this path as it would be by now; None if it was not read or made before."""
        return deepcopy(self._boards.get(where))

    def post(self, sort: str, made: Played) -> Played:
        """Add a board, a section or an item; return the answer."""
        if sort == "boards":
            made = self._boards[path("boards", made["id"])] = {
                "section_order": [],
                "board_sections": [],
                **made,
            }
        elif sort == "board_sections":
            made = {"item_order": [], "board_items": [], **made}
            board = self._boards.get(path("boards", made["board_id"]), {})
            _enter(board, "board_sections", "section_order", made)
        else:
            self._put(made)
        return deepcopy(made)

    def patch(self, where: str, body: Played) -> Played:
        """Change what is at this path; return the answer."""
        one = next(self._at(where), {})
        if "board_section_id" in body:
            self._take(one)
            self._put({**one, **body})
        one.update(body)
        return deepcopy(one)

    def delete(self, where: str) -> None:
        """Remove the section or item at this path."""
        for gone in list(self._at(where)):
            self._take(gone)
            for board in self._boards.values():
                board["board_sections"] = [
                    one for one in board.get("board_sections") or () if one is not gone
                ]

    def _at(self, where: str) -> Iterator[Played]:
        if where in self._boards:
            yield self._boards[where]
        sections = list(self._sections())
        yield from (one for one in sections if where == path("board_sections", one["id"]))
        items = (item for section in sections for item in section.get("board_items") or ())
        yield from (one for one in items if where == path("board_items", one["id"]))

    def _sections(self) -> Iterator[Played]:
        for board in self._boards.values():
            yield from board.get("board_sections") or ()

    def _put(self, item: Played) -> None:
        for section in self._sections():
            if section["id"] == item["board_section_id"]:
                _enter(section, "board_items", "item_order", item)

    def _take(self, item: Played) -> None:
        for section in self._sections():
            section["board_items"] = [one for one in section.get("board_items") or () if one is not item]


def _enter(whole: Played, parts: str, order: str, made: Played) -> None:
    whole[parts] = [*(whole.get(parts) or ()), made]
    whole[order] = [*(whole.get(order) or ()), made["id"]]
