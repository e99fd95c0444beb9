WIDTH = 5
DEPTH = WIDTH - 3
ACT = 'relu'
