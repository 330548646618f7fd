/** The releases of Gemma Scope, and which of their SAEs are canonical. Lieberum et al. 2024, arXiv:2408.05147. */
import { gemmaScopeFacts } from '../formats/gemma-scope.js'
import type { Release } from './release.js'

/**
 * Average L0 of the canonical SAE of each width: by layer from 0 on, or as layer:L0 where only some layers have one.
 * As in SAELens 6's list of releases.
 */
const canonical: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  '2b-pt-res': {
    '16k': '105 102 141 59 124 68 70 69 71 73 77 80 82 84 84 78 78 77 74 73 71 70 72 75 73 116',
    '1m': '5:114 12:107 19:88',
    '262k': '12:121',
    '32k': '12:76',
    '524k': '12:115',
    '65k': '73 121 77 89 89 105 107 107 111 118 128 70 72 75 73 127 128 125 116 115 114 111 116 123 124 93',
  },
  '2b-pt-mlp': {
    '16k': '119 105 95 95 85 114 133 60 136 88 110 98 108 112 97 80 72 68 106 109 109 113 121 128 73 126',
    '65k': '72 127 134 68 66 86 101 115 110 77 95 88 96 98 89 72 66 136 88 88 88 86 92 102 128 107',
  },
  '2b-pt-att': {
    '16k': '104 79 93 117 116 135 61 99 129 127 70 80 85 92 71 98 71 79 72 122 62 65 106 73 96 77',
    '65k': '75 98 125 83 87 99 112 96 112 107 67 75 79 87 66 90 129 70 123 106 102 118 112 140 77 63',
  },
  '9b-pt-res': {
    '16k':
      '129 69 67 90 91 77 93 92 99 100 113 118 130 132 67 131 75 73 71 132 68 129 123 120 114 114 116 ' +
      '118 119 119 120 114 111 114 114 120 120 124 128 131 125 113',
    '131k':
      '41 56 70 103 101 94 120 119 72 75 84 88 96 99 105 103 121 117 113 110 114 109 105 101 97 96 97 ' +
      '96 98 97 95 92 88 91 89 94 93 96 101 99 94 84',
    '1m': '9:122 20:101 31:77',
    '32k': '20:57',
    '524k': '20:48',
    '65k': '20:55',
  },
  '9b-pt-mlp': {
    '16k':
      '50 128 81 126 66 93 96 101 124 83 114 76 96 94 97 107 91 104 89 98 108 88 85 73 73 72 142 126 ' +
      '115 111 116 94 98 107 107 108 109 119 98 90 74 126',
    '131k':
      '30 106 61 109 84 131 72 75 89 129 83 120 77 75 80 89 81 91 82 85 93 79 77 67 67 65 110 99 91 87 ' +
      '89 77 76 83 82 80 81 90 79 75 125 99',
  },
  '9b-pt-att': {
    '16k':
      '61 77 69 102 126 125 108 70 65 71 132 67 68 77 81 79 81 110 80 86 76 86 70 80 79 73 75 136 71 76 ' +
      '73 73 74 78 91 77 69 82 81 77 91 129',
    '131k':
      '55 116 135 119 75 78 73 106 98 111 97 104 110 126 131 130 71 90 69 71 125 71 115 66 130 115 120 ' +
      '102 115 128 109 117 117 128 63 124 105 124 135 120 64 92',
  },
  '9b-it-res': {
    '16k': '9:88 20:91 31:76',
    '131k': '9:121 20:81 31:109',
  },
  '27b-pt-res': {
    '131k': '10:106 22:82 34:72',
  },
}

const transcoders = '76 65 49 54 88 87 95 70 52 72 88 5 6 8 8 8 10 12 13 12 11 13 15 25 37 41'

function byLayer(l0s: string): (readonly [layer: number, l0: number])[] {
  return l0s.split(' ').map((one, i) => {
    const [layer, l0] = one.includes(':') ? one.split(':') : [i, one]
    return [Number(layer), Number(l0)] as const
  })
}

/**
 * `gemma-scope-2b-pt-res-canonical` with ids `layer_20/width_16k/canonical`; the same and any folder of the repository,
 * `layer_20/width_16k/average_l0_71`, in `gemma-scope-2b-pt-res`.
 */
export function* gemmaScopeReleases(): Generator<Release> {
  for (const [name, widths] of Object.entries(canonical)) {
    const { modelName, processing } = factsOf(name)
    const place = name.slice(name.lastIndexOf('-') + 1)
    const saes = Object.entries(widths).flatMap(([width, l0s]) =>
      byLayer(l0s).map(([layer, l0]) => ({
        id: `layer_${layer}/width_${width}/canonical`,
        path: `layer_${layer}/width_${width}/average_l0_${l0}`,
        facts: { neuronpediaId: `${modelName}/${layer}-gemmascope-${place}-${width}` },
      })),
    )
    const common = { repository: `google/gemma-scope-${name}`, model: modelName, facts: { processing }, saes }
    yield { name: `gemma-scope-${name}-canonical`, ...common }
    yield {
      name: `gemma-scope-${name}`,
      ...common,
      otherIds: /^(?:layer_\d+|embedding)\/width_\w+\/average_l0_\d+$/,
    }
  }
  yield transcoderRelease()
}

function transcoderRelease(): Release {
  const name = '2b-pt-transcoders'
  const { modelName, processing } = factsOf(name)
  const saes = byLayer(transcoders).map(([layer, l0]) => {
    const id = `layer_${layer}/width_16k/average_l0_${l0}`
    return { id, path: id, facts: { neuronpediaId: `${modelName}/${layer}-gemmascope-transcoder-16k` } }
  })
  return {
    name: `gemma-scope-${name}`,
    repository: `google/gemma-scope-${name}`,
    model: modelName,
    facts: { processing },
    saes,
    otherIds: /^layer_\d+\/width_\w+\/average_l0_\d+$/,
  }
}

/** The model of a repository, and the weights its SAEs want. */
function factsOf(name: string) {
  const { modelName = '', processing = {} } = gemmaScopeFacts(`gemma-scope-${name}`)
  return { modelName, processing }
}
