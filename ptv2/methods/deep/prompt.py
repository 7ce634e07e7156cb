"""Deep prompts: for every chosen layer, P learned positions that every query of that layer attends to.

P-Tuning v2 (Liu et al. 2022, section 3): h_0..h_P are joined to each layer's keys and values; the rest of the model is
frozen. In the K/V form the keys and values are learned themselves (the official code: 2 * P * L * D numbers); in the
hidden form one vector per layer and position is learned and goes through the layer's own frozen projections
(P * L * D numbers).

Shapes: B batch, G key/value heads, P prompt positions, D head width, F row width.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ptv2.backbone import Backbone, Observation, SitePrompt
from ptv2.config.schema import PromptConfig
from ptv2.errors import UserError
from ptv2.methods.deep.init import initial_factors, initial_gates, initial_rows
from ptv2.methods.deep.sharing import LowRankRows
from ptv2.methods.deep.slots import Slot, choose_slots
from ptv2.methods.deep.vectors import DirectRows, ProjectedRows


class DeepPrompt(nn.Module):
    """The learned prompt of a backbone, for one task or several.

    Args:
        config: length, layers, form, sharing and init.
        backbone: gives the sites and, in the hidden form, the projections.
        tasks: their names; a task's number is its place here.

    Raises:
        UserError: a layer out of range, lengths that do not fit the layers, an init that does not fit the form.
    """

    def __init__(self, config: PromptConfig, backbone: Backbone, tasks: Sequence[str] = ("task",)):
        super().__init__()
        self.config, self.tasks = config, list(tasks)
        self.slots = choose_slots(config, backbone.sites)
        self._project = backbone.project  # a bound method: the backbone is no submodule of the prompt
        self._observe = backbone.observe
        self._seen: dict[tuple, list] = {}  # by length and device: how each site's module is called (hidden form)
        self.site_count = len(backbone.sites)
        self.lengths = [slot.length for slot in self.slots]
        self.widths = [slot.site.width if config.form == "hidden" else slot.site.row_width for slot in self.slots]
        self.own = nn.ModuleDict()  # what each task has for itself
        if config.sharing == "task":
            self.own.update({name: self._new_rows(backbone, name) for name in self.tasks})
        else:
            self.rows = self._new_rows(backbone)
        if config.sharing == "shared+task":
            for name in self.tasks:
                self.own[name] = LowRankRows(self.lengths, self.widths, config.rank, config.init_std)
            initial_factors(self.own, config)
        heads = [slot.site.heads for slot in self.slots]
        self.gates = nn.ParameterList(initial_gates(config, heads, self.tasks)) if config.gate else None
        if config.train == "own":
            for parameter in self.shared_parameters():
                parameter.requires_grad_(False)
        if config.form == "hidden":  # a prompt that the backbone cannot read is refused now, not at the first batch
            self._observed(self.max_length, backbone.device)

    def _new_rows(self, backbone: Backbone, task: str | None = None) -> nn.Module:
        if not self.config.projection:
            return DirectRows(initial_rows(self.config, self.slots, self.widths, backbone, task))
        if self.config.init != "normal":
            raise UserError(
                f"init '{self.config.init}' cannot be put through a projection",
                where="prompt.init",
                do="use init=normal, or projection=null",
            )
        width = self.slots[0].site.width
        return ProjectedRows(self.lengths, self.widths, width, self.config.projection, self.config.init_std)

    @property
    def max_length(self) -> int:
        """P of the longest prompted layer."""
        return max(slot.length for slot in self.slots)

    def shared_parameters(self) -> list[nn.Parameter]:
        """What all tasks train together."""
        if self.config.sharing == "task":
            return []
        gates = self.gates if self.config.sharing == "shared" and self.gates is not None else []
        return [*self.rows.parameters(), *gates]

    def forward(self, batch: int, task: int | Tensor = 0) -> list[SitePrompt | None]:
        """What each site of the backbone gets for a batch of `batch` rows; None at sites without a prompt.

        Args:
            batch: B, rows of the batch.
            task: the number of the task of all rows, or of each of them, [B].
        """
        prompts: list[SitePrompt | None] = [None] * self.site_count
        made, pick_B = self._task_rows(task)
        for i, slot in enumerate(self.slots):
            pairs = [self._keys_values(slot, rows[i]) for rows in made]
            key, value = (torch.cat(states) if len(states) > 1 else states[0] for states in zip(*pairs, strict=True))
            gate = self.gates[i] if self.gates is not None else None
            if pick_B is not None:
                key, value = key[pick_B], value[pick_B]
            if gate is not None and self.config.sharing != "shared":
                gate = gate[task]
            key, value = self._dropped(key, batch), self._dropped(value, batch)
            prompts[slot.index] = SitePrompt(key, value, gate)
        return prompts

    def task_rows(self, task: str) -> list[Tensor]:
        """The rows [P, F] per slot that a task's batches see."""
        if self.config.sharing == "shared":
            return self.rows()
        own = self.own[task]
        return own(self.rows()) if self.config.sharing == "shared+task" else own()

    def folded(self, task: str | None = None) -> list[Tensor]:
        """The rows of a task, or those that tasks share, with any projection computed away."""
        rows = self.rows() if task is None else self.task_rows(task)
        return [row.detach().clone() for row in rows]

    @torch.no_grad()
    def start_from(self, rows_PF: Sequence[Tensor]) -> None:
        """Put these rows in the place of those that tasks share, or of each task's own."""
        for module in self.own.values() if self.config.sharing == "task" else [self.rows]:
            for parameter, row_PF in zip(module.rows, rows_PF, strict=True):
                parameter.copy_(row_PF)
        if self.gates is not None:  # they stand for prompts that were trained without
            for gate in self.gates:
                gate.fill_(1)

    def folded_state(self) -> dict[str, Tensor]:
        """The state dict with any projection computed away: what the artifact holds."""
        state = {name: tensor.detach() for name, tensor in self.state_dict().items()}
        if self.config.projection:
            for prefix, module in [
                ("rows", getattr(self, "rows", None)),
                *((f"own.{n}", m) for n, m in self.own.items()),
            ]:
                if isinstance(module, ProjectedRows):
                    state = {name: tensor for name, tensor in state.items() if not name.startswith(f"{prefix}.")}
                    state |= {f"{prefix}.rows.{i}": row.detach().clone() for i, row in enumerate(module())}
        return state

    def _task_rows(self, task: int | Tensor) -> tuple[list[list[Tensor]], Tensor | None]:
        """The rows of every task that the batch may hold, and which of them each row of the batch takes."""
        if self.config.sharing == "shared":
            return [self.rows()], None
        if isinstance(task, int):
            return [self.task_rows(self.tasks[task])], None
        present, pick_B = task.unique(return_inverse=True)  # tasks that are not there get no gradient, not one of zeros
        return [self.task_rows(self.tasks[i]) for i in present.tolist()], pick_B

    def _keys_values(self, slot: Slot, rows_PF: Tensor) -> tuple[Tensor, Tensor]:
        if self.config.form == "hidden":
            seen = self._observed(slot.length, rows_PF.device)
            key_1GPD, value_1GPD = self._project(seen[slot.index], rows_PF)
            return key_1GPD.float(), value_1GPD.float()
        site, P = slot.site, slot.length
        key_PF, value_PF = rows_PF.split([site.kv_heads * site.key_dim, site.kv_heads * site.value_dim], dim=1)
        key_1GPD = key_PF.view(P, site.kv_heads, site.key_dim).transpose(0, 1)[None]
        value_1GPD = value_PF.view(P, site.kv_heads, site.value_dim).transpose(0, 1)[None]
        return key_1GPD, value_1GPD

    def _observed(self, length: int, device: torch.device) -> list[Observation]:
        if (length, device) not in self._seen:
            self._seen[length, device] = self._observe(torch.ones(length, dtype=torch.long))
        return self._seen[length, device]

    def _dropped(self, states_BGPD: Tensor, batch: int) -> Tensor:
        """Dropout on keys or values [1 or B, G, P, D]; `batch`: with a mask that the rows of a task share."""
        if not (self.training and self.config.dropout):
            return states_BGPD
        if self.config.dropout_per == "example":  # as the official code: after expansion to the batch
            return F.dropout(states_BGPD.expand(batch, -1, -1, -1), self.config.dropout)
        return states_BGPD * F.dropout(torch.ones_like(states_BGPD[:1]), self.config.dropout)
