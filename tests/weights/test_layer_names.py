"""One layer, several names."""

from __future__ import annotations

import pytest

from ocr_train.weights.layer_names import renamed, spellings


@pytest.mark.parametrize(
    ("exported", "trained"),
    [
        ("backbone.blocks2.0.pw_conv.b", "backbone.blocks2.0.pw_conv.lab.bias"),
        ("backbone.blocks5.1.dw_conv.w", "backbone.blocks5.1.dw_conv.lab.scale"),
        ("backbone.blocks4.1.pw_conv.activation.bias", "backbone.blocks4.1.pw_conv.act.lab.bias"),
        ("head.ctc_encoder.encoder.conv1.norm.bias", "neck.encoder.conv1.norm.bias"),
        ("head.ctc_head.fc.weight", "head.fc.weight"),
        ("head.fc.weight", "head.ctc_head.fc.weight"),
        ("neck.encoder.conv1.norm.bias", "head.ctc_encoder.encoder.conv1.norm.bias"),
    ],
)
def test_an_exported_layer_is_known_by_the_name_that_the_model_has(exported: str, trained: str) -> None:
    """Its own name comes first: where the model has it, nothing is renamed."""
    assert trained in spellings(exported)
    assert spellings(exported)[0] == exported
    assert renamed([exported], {trained: ()}) == {trained: exported}
    assert renamed([exported], {exported: (), trained: ()}) == {}
