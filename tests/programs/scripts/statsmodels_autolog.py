"""A regression under autologging."""

import mlflow
import numpy as np
import statsmodels.api as sm

mlflow.statsmodels.autolog()
x = sm.add_constant(np.random.rand(40, 2))
sm.OLS(np.random.rand(40), x).fit()
