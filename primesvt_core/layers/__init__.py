"""Parts that several families share.

Letters, here and in every family, as the papers write them:

``T`` time steps · ``B`` images of a batch · ``C`` channels · ``H``, ``W`` height and width · ``N = H * W`` tokens ·
``D`` channels of the residual stream (embedding).

Between stages a tensor is ``(T, B, C, H, W)`` or ``(T, B, C, N)``; convolutions, linear layers and BatchNorms see time
and batch flattened into one leading dimension, ``T`` outermost; neurons see them apart.
"""
