"""Join what several prompts for one task answer to the same rows (Lester et al. 2021, section 6).

Shapes: K prompts, N answers of a batch, C classes.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def joint_softmax(members_KNC: Tensor, majority: bool) -> Tensor:
    """Return logits [N, C] whose softmax is the mean of the members' probabilities.

    With `majority` it is the share of their votes, ties going to the larger mean probability, which counts as one more
    member.
    """
    mean_NC = members_KNC.softmax(-1).mean(0)
    if majority:
        votes_NC = F.one_hot(members_KNC.argmax(-1), members_KNC.shape[-1]).sum(0)
        mean_NC = (votes_NC + mean_NC) / (len(members_KNC) + 1)
    return mean_NC.clamp(min=torch.finfo(mean_NC.dtype).tiny).log()


def joint_sigmoid(members_KNC: Tensor, majority: bool) -> Tensor:
    """Return logits [N, C] whose sigmoid is the mean of the members' probabilities, or the share of their votes."""
    mean_NC = members_KNC.sigmoid().mean(0)
    if majority:
        mean_NC = ((members_KNC > 0).sum(0) + mean_NC) / (len(members_KNC) + 1)
    return mean_NC.logit(eps=torch.finfo(mean_NC.dtype).eps)
