"""All collectors: one module each. To add one, write its module and name it here; nothing else knows it."""

from __future__ import annotations

from annotator.lookup.aix import container as aix_container
from annotator.lookup.aix import file as aix_file
from annotator.lookup.aix import port as aix_port
from annotator.lookup.aix import process as aix_process
from annotator.lookup.linux import container as linux_container
from annotator.lookup.linux import file as linux_file
from annotator.lookup.linux import port as linux_port
from annotator.lookup.linux import process as linux_process

MODULES = (
    linux_process, linux_file, linux_port, linux_container, aix_process, aix_file, aix_port, aix_container,
)  # fmt: skip

COLLECTORS = {(module.COLLECTOR.system, module.COLLECTOR.kind): module.COLLECTOR for module in MODULES}
KINDS = tuple(dict.fromkeys(kind for _, kind in COLLECTORS))
