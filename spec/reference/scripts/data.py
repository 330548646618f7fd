#!/usr/bin/env python3
"""Reference data for reading text: rows as SAELens and TransformerLens pack them, and Parquet files.

    data.py --pocket MODELS_POCKET --out DIR

rows.json holds, for the embedded model's test text and several ways to make rows, their number, the first row, and the
SHA-256 of all ids as little-endian int32, row by row. Made with sae-lens 6.5.3 (concat_and_batch_sequences),
transformer-lens 2.16.1 (tokenize_and_concatenate), transformers 4.57.6, datasets 3.6.0. The Parquet files are written by
pyarrow 20.0.0: several columns, row groups of 2, one codec each.
"""
import argparse
import hashlib
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from datasets import load_dataset
from sae_lens.tokenization_and_batching import concat_and_batch_sequences
from transformer_lens.utils import tokenize_and_concatenate
from transformers import AutoTokenizer


def record(rows):
    ids = np.asarray(rows, dtype="<i4")
    return {
        "rows": len(ids),
        "first": ids[0].tolist(),
        "sha256": hashlib.sha256(ids.tobytes()).hexdigest(),
    }


def packed(sequences, **options):
    rows = concat_and_batch_sequences(iter(sequences), **options)
    return record(torch.stack(list(rows)).tolist())


def rows(pocket):
    tokenizer = AutoTokenizer.from_pretrained(pocket)
    data = load_dataset(
        "json", data_files=str(pocket / "text/stories-test.jsonl"), split="train"
    )
    encode = lambda text: torch.tensor(
        tokenizer(text, add_special_tokens=False)["input_ids"]
    )
    sequences = [encode(text) for text in data["text"]]
    bos = tokenizer.bos_token_id
    return {
        "packed": packed(
            sequences,
            context_size=64,
            begin_batch_token_id=bos,
            sequence_separator_token_id=bos,
        ),
        "packed without BOS and separator": packed(sequences, context_size=50),
        "packed with BOS in front alone": packed(
            sequences, context_size=7, begin_batch_token_id=bos
        ),
        "chunked": record(
            tokenize_and_concatenate(data, tokenizer, max_length=64, num_proc=1)["tokens"].tolist()
        ),
        "chunked without BOS": record(
            tokenize_and_concatenate(
                data, tokenizer, max_length=33, add_bos_token=False, num_proc=1
            )["tokens"].tolist()
        ),
    }


def parquet(out):
    texts = ["Once.", "Grüße aus 東京 🎉", None, "", "A fourth\nline.", "Fifth."]
    titles = [f"title {i}" for i in range(6)]
    ids = [[0, 5, 7], [1], [2, 3, 1292], [4], [6, 6], [8, 9, 10, 11]]
    table = pa.table({"title": titles, "text": texts, "length": [1, 2, 3, 4, 5, 6]})
    pq.write_table(table, out / "texts.parquet", row_group_size=2, compression="gzip")
    for name, kind in [("ids", pa.int64()), ("ids32", pa.int32())]:
        column = pa.array(ids, type=pa.list_(kind))
        table = pa.table({"title": titles, "input_ids": column})
        pq.write_table(table, out / f"{name}.parquet", row_group_size=2, compression="snappy")
    table = pa.table({"title": titles, "body": titles})
    pq.write_table(table, out / "no-text.parquet", compression="zstd")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pocket", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    parquet(options.out)
    text = json.dumps(rows(options.pocket), indent=1)
    (options.out / "rows.json").write_text(text + "\n")
