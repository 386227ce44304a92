"""The core: who was in which container when, as facts and questions. It knows no system, no engine, no file, no clock.

`model` and `contracts` are the types. An event goes: `lifetimes` (whose record is it), `recording` (what it teaches of
places), `attribution` (the question: changes nothing), `membership` (the event's facts, by the rules of belief). Below
them stand `registry` (containers), `residence` and `answers` (what a lifetime carries of the two), `corroboration`
(marks). `stats` counts; `errors` and `times` are for people.
"""
