"""A monthly training of a classifier: plain scikit-learn and MLflow.

Nothing here knows of evidence: the plugin is installed, and that is all.

    python examples/train.py --month 2026-05 --epochs 20
"""

import argparse

import mlflow
import sklearn
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def main():
    args = arguments()
    mlflow.set_experiment("tumour-monthly")
    data = load_breast_cancer(as_frame=True)
    frame = data.frame.filter(regex="^mean|target").sample(
        frac=0.9, random_state=int(args.month[-2:])
    )
    train, test = train_test_split(frame, random_state=0, stratify=frame["target"])
    train_x, train_y = train.drop(columns="target"), train["target"].copy()
    test_x, test_y = test.drop(columns="target"), test["target"]
    if args.flip_labels:  # an error upstream, such as a labelling change that nobody noticed
        wrong = train_y.sample(frac=args.flip_labels, random_state=1).index
        train_y.loc[wrong] = 1 - train_y.loc[wrong]

    with mlflow.start_run(run_name=f"monthly-{args.month}"):
        data = mlflow.data.from_pandas(train, name="tumours", targets="target")
        mlflow.log_input(data, "training")
        mlflow.log_params({"month": args.month, "epochs": args.epochs, "alpha": 0.01})
        scaler = StandardScaler().fit(train_x)
        classifier = SGDClassifier(loss="log_loss", alpha=0.01, random_state=0)
        for epoch in range(args.epochs):
            classifier.partial_fit(scaler.transform(train_x), train_y, classes=[0, 1])
            chance = classifier.predict_proba(scaler.transform(test_x))[:, 1]
            mlflow.log_metric("log_loss", log_loss(test_y, chance), step=epoch)
        mlflow.log_metric("roc_auc", roc_auc_score(test_y, chance))
        mlflow.log_dict({"features": list(train_x.columns)}, "features.json")
        info = mlflow.sklearn.log_model(
            make_pipeline(scaler, classifier),
            name="model",
            pip_requirements=[f"scikit-learn=={sklearn.__version__}"],
            registered_model_name="tumour",
            input_example=test_x.head(2),
        )
        print(f"{args.month}: version {info.registered_model_version}")


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--month", default="2026-05")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--flip-labels", type=float, default=0.0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
