"""Statements of the lecture notes on initialisation and normalisation, each as a small experiment with a number."""
