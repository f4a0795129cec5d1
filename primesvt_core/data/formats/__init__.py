"""The formats that data sets come in; each gives a data set."""
