"""Everything that shows a run: plain functions over the result model, no hooks of pytest's.

`text` shortens data, `story` tells one failure, `matrix` and `terminal` sum up a run, `progress` is the line that is redrawn,
`json_file` writes the report and `schema` publishes its shape. Nothing is imported here: a check that needs `show` pays for
`text` alone.
"""

__all__: list[str] = []
