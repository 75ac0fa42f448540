// How weights are loaded in Python, in the zoos whose own call is known here.

import { BOARD } from '../base/data.js';

const CALLS = {
  timm: (arch, tag) => `timm.create_model(${quoted(`${arch}.${tag}`)}, pretrained=True)`,
  torchvision: (arch, tag) => `torchvision.models.get_model(${quoted(arch)}, weights=${quoted(tag)}${arch.startsWith('quantized_') ? ', quantize=True' : ''})`,
};

// `timm.create_model("resnet50.a1_in1k", pretrained=True)`; '' where no weights are known, or no call.
export function loadLine(row) {
  const [zoo, arch, tag] = ['zoo', 'arch', 'tag'].map((key) => BOARD.text(key, row));
  return tag && Object.hasOwn(CALLS, zoo) ? CALLS[zoo](arch, tag) : '';
}

const quoted = (text) => JSON.stringify(text);
