"""The environment of the tests: the same whatever the developer's own holds."""

import os
import signal
import sys
import time

# What the tests themselves are told by.
OURS = {"WINNOW_TEST_MARIADB_URL", "WINNOW_FAULT_SEED", "WINNOW_SOAK_MINUTES", "WINNOW_SEEDS"}
FOREIGN = (
    *("WINNOW_", "OPTUNA_", "CUDA_", "NVIDIA_", "ROCR_", "HIP_", "SLURM_", "SBATCH_", "RAY_", "AWS_", "PG", "MYSQL_"),
    *("XDG_", "LC_", "TORCH", "PYTORCH_", "OMP_", "MKL_", "UVICORN_", "HYPOTHESIS_", "SCHEMATHESIS_"),
    *("PYTHONPATH", "PYTHONHASHSEED", "PYTHONOPTIMIZE", "PYTHONWARNINGS", "PYTHONSAFEPATH", "PYTHONUTF8"),
    *("LANGUAGE", "COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "CLICOLOR", "TTY_", "HTTP_PROXY", "HTTPS_PROXY"),
    *("ALL_PROXY", "http_proxy", "https_proxy", "all_proxy", "SSL_CERT_", "REQUESTS_CA_BUNDLE"),
)
CHECKOUT = os.path.realpath(os.path.join(os.path.dirname(__file__), ".."))
SET = {"TZ": "UTC", "LANG": "C.UTF-8", "OMP_NUM_THREADS": "1"}


def clean() -> None:
    """Take out of this process's surroundings, and so of those that it starts, whatever could change a result.

    A checkout that PYTHONPATH names stays before another that is installed: it is what is to be tested.
    """
    named = {os.path.realpath(each) for each in os.environ.get("PYTHONPATH", "").split(os.pathsep) if each}
    sys.path[:] = [each for each in sys.path if os.path.realpath(each) not in named - {CHECKOUT}]
    for name in list(os.environ):
        if name.startswith(FOREIGN) and name not in OURS:
            del os.environ[name]
    os.environ.update(SET)
    if CHECKOUT in named:
        os.environ["PYTHONPATH"] = CHECKOUT
    time.tzset()
    # Who is started by nohup, or in the background of a script, ignores signals, and so would all that is started here.
    for number, default in ((signal.SIGHUP, signal.SIG_DFL), (signal.SIGINT, signal.default_int_handler)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, default)
