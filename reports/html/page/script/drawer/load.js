// The line of Python that loads a set of weights, for the zoos below.

import { BOARD } from '../base/data.js';

const CALLS = {
  timm: (arch, tag) => `timm.create_model(${quoted(`${arch}.${tag}`)}, pretrained=True)`,
  torchvision: (arch, tag) => `torchvision.models.get_model(${quoted(arch)}, weights=${quoted(tag)}${arch.startsWith('quantized_') ? ', quantize=True' : ''})`,
};

// `timm.create_model("resnet50.a1_in1k", pretrained=True)`; '' without weights, or for another zoo.
export function loadLine(row) {
  const [zoo, arch, tag] = ['zoo', 'arch', 'tag'].map((key) => BOARD.text(key, row));
  return tag && Object.hasOwn(CALLS, zoo) ? CALLS[zoo](arch, tag) : '';
}

const quoted = (text) => JSON.stringify(text);
