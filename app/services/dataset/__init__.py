"""The dataset: the lake as an operator describes it, in a folder of plain files."""
