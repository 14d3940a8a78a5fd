"""The logger that the services ask for."""

import logging


def get_logger(name):
    return logging.getLogger(name)
