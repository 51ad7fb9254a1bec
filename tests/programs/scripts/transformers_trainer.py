"""The Trainer of transformers with its MLflow callback, on a tiny random model."""

import torch
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments

torch.set_num_threads(1)
size = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}
model = BertForSequenceClassification(BertConfig(vocab_size=20, **size))
rows = [{"input_ids": [1, 2, 3], "attention_mask": [1, 1, 1], "labels": i % 2} for i in range(8)]
arguments = TrainingArguments(
    output_dir="out",
    max_steps=2,
    logging_steps=1,
    save_strategy="no",
    report_to="mlflow",
    use_cpu=True,
    disable_tqdm=True,
)
Trainer(model=model, args=arguments, train_dataset=rows).train()
