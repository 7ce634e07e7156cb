"""All that a cell's process needs, imported once by the server that the processes are forked from."""

import ptv2.model.build
import ptv2.study.measures
import ptv2.study.worker
import ptv2.train.fit  # noqa: F401 - imported for those that are forked
