"""``python -m colo_twisted.ctl`` is colo-ctl."""

from colo_twisted.ctl.main import run

if __name__ == "__main__":
    run()
