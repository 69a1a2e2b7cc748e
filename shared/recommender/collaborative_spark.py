"""The same factors from Spark's MLlib, for histories that one machine's memory does not hold as a matrix twice.

MLlib multiplies the regularization by how many interactions a user or an item has, so that the same setting draws those
with many closer to 0 than `implicit` does; on the demo logs both come out alike.
"""

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from shared.recommender.collaborative import Factorise, Factors, Progress, Settings
from shared.recommender.spark import spark_session

_PAIRS_OF_A_BLOCK = 1_000_000  # at most; fewer where more cores would wait


def spark_factors(master: str, **spark_settings: str) -> Factorise:
    """Return a way to factorise on the cluster at that address, such as spark://host:7077, yarn or local[2].

    `spark_settings` are Spark's own, with dots in their names. Factorising raises SparkUnavailableError.
    """

    def factorise(weights: csr_matrix, settings: Settings, progress: Progress) -> Factors:
        with spark_session(master, "recommender", spark_settings) as spark:
            factors = _fitted(spark, weights, settings)
        progress(settings.iterations)
        return factors

    return factorise


def _fitted(spark: Any, weights: csr_matrix, settings: Settings) -> Factors:  # noqa: ANN401 - pyspark may not be there
    from pyspark.ml.recommendation import ALS  # noqa: PLC0415 - see above

    pairs = weights.tocoo()
    blocks = max(spark.sparkContext.defaultParallelism, weights.nnz // _PAIRS_OF_A_BLOCK)
    rows = pa.table({"user": pairs.row.astype(np.int32), "item": pairs.col.astype(np.int32), "weight": pairs.data})
    als = ALS(
        rank=settings.factors,
        maxIter=settings.iterations,
        regParam=settings.regularization,
        alpha=settings.alpha,
        seed=settings.seed,
        implicitPrefs=True,
        numUserBlocks=blocks,
        numItemBlocks=blocks,
        userCol="user",
        itemCol="item",
        ratingCol="weight",
    )
    model = als.fit(spark.createDataFrame(rows))
    users, items = weights.shape
    return Factors(_array(model.userFactors, users), _array(model.itemFactors, items))


def _array(factors: Any, rows: int) -> NDArray[np.float32]:  # noqa: ANN401 - pyspark may not be there
    """Return rows x factors; 0 for those who have no interaction, whom MLlib leaves out."""
    table = factors.toArrow()
    features = np.stack(table["features"].to_numpy()).astype(np.float32)
    array = np.zeros((rows, features.shape[1]), np.float32)
    array[table["id"].to_numpy()] = features
    return array
