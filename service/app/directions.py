"""Which way a metric is usually optimized, as far as its name tells."""

from __future__ import annotations

import re

_LESS = re.compile(
    r"(loss|\w*loss|error|err|mse|rmse|mae|mape|smape|msle|rmsle|medae|nll|perplexity|ppl|bits_per_\w+|bp[bc]|wer|cer|fid"
    r"|hinge|\w*entropy|xent|bce|huber|deviance|kl|\w*divergence|brier|ece|crps|lpips|regret|cost|inaccuracy"
    r"|misclassification|fpr|fnr|(demographic_parity|equalized_odds)_difference|calibration_(gap|error)|(error|miss|failure|false_positive|false_negative)_rate)"
)
_MORE = re.compile(
    r"(accuracy|acc|f1|f_?beta|auc|auroc|auprc|r2|precision|recall|bleu|rouge\w?|chrf|meteor|cider|m?iou|jaccard|dice|m?ap"
    r"|ndcg|mrr|hits|mcc|kappa|reward|return|rew|likelihood|elbo|psnr|ssim|sensitivity|specificity|exact_match"
    r"|explained_variance|pearson\w?|spearman\w?|correlation|silhouette|tpr|demographic_parity_ratio|(success|win|hit|true_positive)_rate)"
)
# Words behind a metric's name that say of what, or how it was averaged.
_ASIDE = {
    "macro", "micro", "weighted", "mean", "avg", "average", "score", "total", "sum", "epoch", "samples", "binary",
    "ovr", "ovo",
}  # fmt: skip
_TURNED = {"neg", "negative", "negated"}
_UNCLEAR = {"minus", "inverse", "inverted", "inv"}
_OTHER = {"minimize": "maximize", "maximize": "minimize"}


def usual_direction(metric: str) -> str | None:
    """The direction that is usual for a metric; None where its name does not tell."""
    name = metric.rpartition("/")[2].lower()
    words = [word for word in re.split(r"[_\W]+", name) if word]
    if _UNCLEAR & set(words) or re.match(r"1\s*-", name):
        return None
    while len(words) > 1 and (words[-1] in _ASIDE or words[-1].isdigit()):
        words.pop()
    for length in range(len(words), 0, -1):
        whole = "_".join(words[-length:])
        for pattern, direction in ((_LESS, "minimize"), (_MORE, "maximize")):
            if pattern.fullmatch(whole) or pattern.fullmatch(whole.rstrip("0123456789") or " "):
                return _OTHER[direction] if _TURNED & set(words[:-length]) else direction
    return None
