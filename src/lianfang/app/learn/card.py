"""The model card, in Chinese and in English: what it is for, what it learned from, how good it is, what it must not be used for.

After M. Mitchell et al., "Model Cards for Model Reporting", FAT* 2019.
"""

from __future__ import annotations

from typing import Final

from lianfang.app.learn.train import Result
from lianfang.kernel.instant import DAY

_WORDS: Final = {
    "zh": {
        "title": "模型卡",
        "for": "## 用途\n\n给每笔付款一个欺诈概率，供策略与规则参考。概率已在单独时期校准。"
        "它不单独决定任何事，也不用于评价一个人。",
        "data": "## 数据与时期",
        "gap": "时期之间留出 {gap} 天，使任何标签在获知之前不被使用。留出期只用过一次。",
        "figures": "## 留出期的表现",
        "thresholds": "## 建议阈值",
        "inputs": "## 输入",
        "limits": "## 局限\n\n- 从未报告的欺诈在学习时被当作正常。\n- 作案手法变化后表现会下降，须按周复查。\n"
        "- 声明不同的特征会使模型失去意义，节点会拒绝这样的模型。\n- 数字来自这段历史；换一家机构须重新训练并评估。",
        "head": "| 用途 | 从 | 到 | 付款 | 欺诈 |",
        "how": "{rounds} 棵梯度提升树 (LightGBM)，{inputs} 项输入。数据指纹 `{data}`。",
        "row": "| {action} | {score:.4f} | {aim} | 召回 {recall}，误报 {alarms} |",
    },
    "en": {
        "title": "Model card",
        "for": "## What it is for\n\nA probability of fraud for each payment, for policy and rules to read. "
        "It is calibrated on a period of its own. It decides nothing alone, and is not for judging a person.",
        "data": "## Data and periods",
        "gap": "{gap} days are left out between the periods so that no label is used before it was known. "
        "The held-out period was used once.",
        "figures": "## On the held-out period",
        "thresholds": "## Suggested thresholds",
        "inputs": "## Inputs",
        "limits": "## Limits\n\n- Fraud that nobody reported counted as genuine in learning.\n"
        "- It gets worse as crime changes; look at it every week.\n"
        "- With features declared otherwise it means nothing; a node refuses it then.\n"
        "- The figures are of this history; another institution trains and judges anew.",
        "head": "| use | from | to | payments | frauds |",
        "how": "{rounds} gradient-boosted trees (LightGBM), {inputs} inputs. Fingerprint of the data `{data}`.",
        "row": "| {action} | {score:.4f} | {aim} | recall {recall}, false alarms {alarms} |",
    },
}
_USES: Final = {
    "zh": {"train": "学习", "choose": "选树数", "calibrate": "校准", "held-out": "留出"},
    "en": {"train": "train", "choose": "choose", "calibrate": "calibrate", "held-out": "held out"},
}


def card(result: Result, language: str) -> str:
    """Markdown, in `zh` or `en`."""
    words, model = _WORDS[language], result.model
    lines = [f"# {words['title']}: {model.name}", "", words["for"], "", words["data"], ""]
    lines.append(words["how"].format(rounds=result.fitted.rounds, inputs=len(model.inputs), data=model.trained.data))
    lines += ["", words["head"], "| --- | --- | --- | ---: | ---: |"]
    for one in model.trained.periods:
        use = _USES[language][one.use]
        lines.append(f"| {use} | {one.begins:%Y-%m-%d} | {one.ends:%Y-%m-%d} | {one.payments:,} | {one.frauds:,} |")
    lines += [
        "",
        words["gap"].format(gap=round(result.split.gap / DAY)),
        "",
        words["figures"],
        "",
        "| | |",
        "| --- | ---: |",
    ]
    lines += [f"| `{name}` | {value:.4f} |" for name, value in model.trained.metrics.items()]
    lines += ["", words["thresholds"], "", "| | | | |", "| --- | ---: | --- | --- |"]
    for at in model.thresholds:
        recall = "-" if at.recall is None else f"{at.recall:.1%}"
        alarms = "-" if at.false_alarms is None else f"{at.false_alarms:.2%}"
        lines.append(words["row"].format(action=at.action, score=at.score, aim=at.aim, recall=recall, alarms=alarms))
    lines += ["", words["inputs"], "", "| | | |", "| --- | --- | --- |"]
    for given in model.inputs:
        said = (given.zh if language == "zh" else given.en) or given.name
        lines.append(f"| `{given.name}` | {said} | `{given.define}` |")
    return "\n".join([*lines, "", words["limits"], ""])
