from __future__ import division
import numpy as np


def convert_coordinates(tensor, start_index, conversion, border_pixels='half'):
    if border_pixels == 'half':
        d = 0
    elif border_pixels == 'include':
        d = 1
    ind = start_index
    tensor1 = np.copy(tensor).astype(np.float)
    if conversion == 'centroids2corners':
        tensor1[..., ind] = tensor[..., ind] - tensor[..., ind + 2] / 2.0
        tensor1[..., ind + 1] = tensor[..., ind + 1] - tensor[..., ind + 3] / 2.0
        tensor1[..., ind + 2] = tensor[..., ind] + tensor[..., ind + 2] / 2.0
        tensor1[..., ind + 3] = tensor[..., ind + 1] + tensor[..., ind + 3] / 2.0
    return tensor1
