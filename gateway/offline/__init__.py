"""The engine and the rules over files: replay, score, backtest, and campaigns as code."""
