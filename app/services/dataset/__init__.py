"""The dataset: the lake as an operator describes it, in a folder of plain files."""

from app.services.dataset.area import read_area_of_interest
from app.services.dataset.exporting import export_folder
from app.services.dataset.faults import BadDataset, Fault
from app.services.dataset.importing import import_folder
from app.services.dataset.sheets import Progress
from app.services.dataset.summary import Counts, Summary
from app.services.dataset.template import write_template

__all__ = [
    "BadDataset",
    "Counts",
    "Fault",
    "Progress",
    "Summary",
    "export_folder",
    "import_folder",
    "read_area_of_interest",
    "write_template",
]
