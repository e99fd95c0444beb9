from .losses import *
from .metrics import *
