"""Makes the files of this folder: sounds by Python's own wave module, features by NumPy's transform.

usage: python make.py DIRECTORY        DIRECTORY is this folder; with tensorflow installed its mel matrix is compared too
"""
import os
import sys
import wave

import numpy as np


def hann(n):
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n) / n)


def mel_matrix(bands, fft, rate, low, high):
    mel = lambda f: 1127 * np.log(1 + np.asarray(f) / 700)
    corners = np.linspace(mel(low), mel(high), bands + 2)
    m = mel(np.arange(fft // 2 + 1) * rate / fft)
    rise = (m[None] - corners[:-2, None]) / (corners[1:-1] - corners[:-2])[:, None]
    fall = (corners[2:, None] - m[None]) / (corners[2:] - corners[1:-1])[:, None]
    w = np.maximum(0, np.minimum(rise, fall))
    w[:, 0] = 0
    return w


def log_mel(x, rate, window, hop, fft, bands, low, high, floor):
    frames = np.stack([x[i:i + window] for i in range(0, len(x) - window + 1, hop)]).astype(np.float64) * hann(window)
    power = np.abs(np.fft.rfft(frames, fft)) ** 2
    return np.log(floor + power @ mel_matrix(bands, fft, rate, low, high).T)


def compare_with_tensorflow(bands, fft, rate, low, high):
    try:
        import tensorflow as tf
    except ImportError:
        return print("no tensorflow here, its matrix was not compared")
    theirs = tf.signal.linear_to_mel_weight_matrix(bands, fft // 2 + 1, rate, low, high, tf.float64).numpy().T
    print("largest difference of the mel matrix from TensorFlow's:", np.abs(theirs - mel_matrix(bands, fft, rate, low, high)).max())
    # Its own window and transform, from end to end.
    x = np.random.default_rng(5).normal(0, 0.1, 4000)
    spectrum = tf.signal.stft(x, 480, 320, 512, tf.signal.hann_window).numpy()
    y = np.log(1e-6 + (np.abs(spectrum) ** 2) @ theirs.T)
    print("largest difference of the features:", np.abs(y - log_mel(x, rate, 480, 320, 512, bands, low, high, 1e-6)).max())


def main():
    out = sys.argv[1]
    rng = np.random.default_rng(1)
    t = np.arange(4000) / 16000
    x = 0.5 * np.sin(2 * np.pi * (300 + 2000 * t) * t) + rng.normal(0, 0.02, len(t))
    x[1800:2400] = 0
    codes = np.round(np.clip(x, -1, 1) * 32767).astype("<i2")
    with wave.open(os.path.join(out, "sweep.wav"), "wb") as f:
        f.setnchannels(1), f.setsampwidth(2), f.setframerate(16000)
        f.writeframes(codes.tobytes())
    y = log_mel((codes / 32768).astype(np.float32), 16000, 480, 320, 512, 40, 20, 4000, 1e-6)
    np.save(os.path.join(out, "sweep.log_mel.npy"), y.astype(np.float64))
    z = log_mel((codes / 32768).astype(np.float32), 8000, 200, 80, 256, 23, 100, 3800, 1e-3)
    np.save(os.path.join(out, "sweep.log_mel_other.npy"), z.astype(np.float64))
    wide = rng.integers(-2**23, 2**23, (50, 3))
    raw = b"".join(int(v).to_bytes(3, "little", signed=True) for v in wide.ravel())
    with wave.open(os.path.join(out, "three_channels.wav"), "wb") as f:
        f.setnchannels(3), f.setsampwidth(3), f.setframerate(44100)
        f.writeframes(raw)
    np.save(os.path.join(out, "three_channels.npy"), (wide / 2**23).astype(np.float32))
    compare_with_tensorflow(40, 512, 16000, 20, 4000)


if __name__ == "__main__":
    main()
