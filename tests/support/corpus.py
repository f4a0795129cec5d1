"""Hostile checkpoints beside the checkout: the verdict wanted of each file, and the code with which it is refused."""

from __future__ import annotations

import json

from tests.support.shared import SHARED

CORPUS = SHARED / "hostile"
CANARY = "primesvt-canary"
"""What a program in one of the files would make in its working directory."""

MANIFEST: dict[str, dict[str, str]] = json.loads((CORPUS / "manifest.json").read_text()) if CORPUS.is_dir() else {}

CODES = {
    "not_a_checkpoint": """
        exec_raw_pickle.pth exec_raw_pickle_p4.pth gzipped.pth legacy_huge_string.pth lfs_pointer.pth one_byte.pth
        plain_zip.pth polyglot_html_zip.pth random.pth st_not_json.safetensors tar_traversal.pth.tar""",
    "damaged": """
        alignment_zero.pth bitflip_data.pth legacy_8gib_storage.pth legacy_giant_storage.pth st_bad_utf8.safetensors
        st_dup_key.safetensors st_offsets_beyond.safetensors truncated_half.pth truncated_legacy.pth
        truncated_tail.pth""",
    "unsafe_pickle": """
        bytearray_bomb.pth cyclic_dict.pth encode_idna.pth exec_beside_weights.pth exec_builtin_eval.pth
        exec_runpy.pth exec_zip.pth st_is_pth.safetensors""",
    "unsafe_archive": """
        exec_dup_entry.pth exec_dup_entry_rev.pth exec_two_roots.pth st_alias_bomb.safetensors st_hole.safetensors
        st_trailing.safetensors st_zero_size_shared.safetensors""",
    "whole_module": "whole_module.pth",
    "torchscript": "torchscript.pt",
    "too_large": """
        billion_laughs.pth deep_list.pth giant_shape_stride0.pth many_tensors.pth st_big_header.safetensors
        st_header_len_100gb.safetensors st_header_len_99mb.safetensors""",
    "bad_tensor": """
        dtype_storage_lie.pth giant_shape_no_data.pth missing_record.pth offset_negative.pth shape_overflow.pth
        shape_overflow_stride0.pth size_beyond_storage.pth size_negative.pth st_begin_after_end.safetensors
        st_shape_lie.safetensors st_shape_overflow.safetensors storage_declared_bigger.pth
        storage_declared_smaller.pth stride_negative.pth""",
    "unsupported_tensor": """
        attr_shadow_tensor.pth conj_bit_float.pth fp8_weights.pth int_weights.pth location_meta.pth meta_tensor.pth
        sparse_bad_index.pth sparse_giant.pth sparse_ok.pth st_bad_dtype.safetensors wrapper_subclass.pth""",
    "not_finite": "st_nan.safetensors",
    "bad_name": "bad_keys.pth non_str_keys.pth st_bad_names.safetensors",
    "no_state_dict": "empty_dict.pth hash_collide.pth top_list.pth top_none.pth top_tensor.pth",
    "ambiguous": "two_candidates.pth",
}
CODE_OF = {name: code for code, names in CODES.items() for name in names.split()}
